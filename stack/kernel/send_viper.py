"""The kernels that send text, as MicroPython runs them. The contract, and what each function
means: send_plain.py; how they are written: viper.py and fast_viper.py. tcp_push() and tcp_acked()
are longer than our functions are, for the reason that is given there.
"""

import micropython

from ..mpy import const
from .conn_viper import tcp_rtt
from .fast_viper import tcp_seg_free

_RAW_WND = const(53)
_ETH = const(9)
_IP4 = const(10)
_TCP = const(11)
_LEN = const(16)
_OUT = const(18)
_BURST = const(19)
_NOW = const(20)
_KEPT = const(54)
_SEGS = const(55)
_KEPT_AT = const(56)
_SND_UNA = const(0)
_SND_NXT = const(1)
_RCV_NXT = const(5)
_RCV_ADV = const(6)
_RTT_SEQ = const(9)
_LAST_ACK = const(15)
_KEY_PEER = const(32)
_ARMED = const(36)
_RCV_WND = const(37)
_RCV_MAX = const(38)
_ACK_BYTES = const(39)
_ACK_NOW = const(40)
_WINDOW = const(41)
_STEP = const(42)
_SCALE = const(46)
_BUSY = const(47)
_NEXT_OUT = const(50)
_OWES = const(51)
_SND_BUF = const(52)
_QUEUED = const(53)
_SENT_AT = const(54)
_TIMING = const(55)
_TIMED_AT = const(56)
_NTH = const(57)
_ACKED_LEN = const(58)
_LAST_ACKED = const(59)
_EDGE = const(60)
_CALM = const(61)
_RTO = const(62)
_RACK = const(63)
_PTO_DUE = const(64)
_RTO_MIN = const(66)
_RTO_MAX = const(67)
_PTO = const(72)
_RTX_DUE = const(73)
_LOSS_DUE = const(74)
_WHAT = const(75)
_PROBE = const(2)  # what t_loss is for
_FIRST = const(68)
_SENT = const(69)
_UNSENT = const(70)
_LAST = const(71)
_FACK = const(2)  # of pcb.sb
_LAST_NTH = const(6)
_RTT = const(7)
_MIN_RTT = const(8)
_SEG_LEN = const(1)
_SEG_FLAGS = const(2)
_SEG_SUM = const(3)
_SEG_AT = const(4)
_SEG_NTH = const(5)
_SEG_KEEP = const(6)
_HEADERS = const(54)
_HEADERS6 = const(74)
_SIX = const(57)
_IP6 = const(0)  # of six
_WRAP = const(0x3FFFFFFF)
_ROUTES = const(28)
_KEY_OWN = const(33)
_KEY_PORTS = const(34)
_SEG_FRAME = const(8)
_SEG_TEXT = const(10)
_SEG_NEXT = const(12)
_SEG_REGS = const(13)
_BEFORE = const(0x20000000)


@micropython.viper
def tcp_push(pcb) -> int:
    place, stack, none, segs, loss, driver, dev, send2, pieces = pcb.wire
    regs = ptr32(int(place) << 2)
    hot = ptr32(int(stack) << 2)
    c = regs[_UNSENT]
    una = regs[_SND_UNA]
    had = regs[_SND_NXT] - una
    now = hot[_NOW]
    peer = regs[_KEY_PEER]
    six = hot
    way = hot
    heads = _HEADERS
    if peer:
        route = _ROUTES + (peer >> 24 & 7) * 3
        if hot[route] != peer or peer & 0xFFFF == 0:
            return 1
        mac = ptr32(int(hot) + (route + 1 << 2))
    else:
        route = regs[_KEY_OWN]
        if route == 0:
            return 1
        heads = _HEADERS6
        six = ptr32((hot[_SIX] | hot[_SIX + 1] << 31 << 1) << 2)
        way = ptr32(int(six) + (route << 2))
        mac = ptr32(int(way) + 32)
    if had == 0:
        k = (now - regs[_SENT_AT]) & _WRAP
        if c == 0 or (k > regs[_RTO] and k & _BEFORE == 0):
            return 1
    why = 0
    if c:
        step = regs[_STEP]
        edge = regs[_EDGE]
        first = c
        last = c
        sent = 0
        while c:
            r = ptr32(int(hot) + ((hot[_SEGS] + c * _SEG_REGS) << 2))
            n = r[_SEG_LEN]
            k = edge - ((r[0] - una) & _WRAP)
            if n != step or n > k:
                if n <= k or (had == 0 and sent == 0):
                    why = 1
                elif k > 0 and pcb.nodelay:
                    why = 1
                break
            if sent == 0:
                # what is the same in each of them
                piece = ptr32(int(pieces) << 2)
                piece[1] = heads
                own = regs[_KEY_OWN]
                ports = regs[_KEY_PORTS]
                k = regs[_WHAT]
                if peer:
                    s0 = (own & 0xFFFF) + (own >> 16 & 0xFFFF)
                    s0 += (peer & 0xFFFF) + (peer >> 16 & 0xFFFF)
                    tos = k >> 8 & 0xFF00 | 0x45
                    ttl = 0x600 | k >> 8 & 0xFF
                else:
                    s0 = way[10]
                    tos = 0x60 | k >> 20 & 15 | (k >> 12 & 0xF0) << 8
                    ttl = 6 | k & 0xFF00
                ack = regs[_RCV_NXT]
                top = 1
                top <<= 31  # see tcp_window()
                shown = ((regs[_RCV_ADV] - ack + top) & (top + top - 1)) - top
                wnd = regs[_RCV_WND]
                k = regs[_RCV_MAX] >> 1
                if step < k:
                    k = step
                scale = regs[_SCALE]
                if wnd - shown < k and shown >= 0:
                    wnd = shown
                wnd = (wnd + (1 << scale) - 1) >> scale
                if wnd > 0xFFFF:
                    wnd = 0xFFFF
                if wnd << scale != shown:
                    regs[_RCV_ADV] = ack + (wnd << scale)
                wnd = (wnd & 0xFF) << 8 | wnd >> 8
                regs[_LAST_ACK] = ack
                if regs[_ACK_BYTES]:
                    pcb.net.timers.stop(pcb.t_fast)
                regs[_ACK_NOW] = 0
                regs[_ACK_BYTES] = 0
                if regs[_TIMING] == 0:
                    regs[_TIMING] = 1
                    regs[_TIMED_AT] = now
                    regs[_RTT_SEQ] = r[0]
                regs[_SENT_AT] = now
            w = ptr32((r[_SEG_FRAME] | r[_SEG_FRAME + 1] << 31 << 1) + _HEADERS - heads)
            h = ptr16(w)
            h[1] = mac[0]
            w[1] = mac[1]
            h[4] = hot[0]
            h[5] = hot[1]
            h[6] = hot[1] >> 16
            if peer:
                h[7] = 8
                h[8] = tos
                k = n + 40
                k = (k & 0xFF) << 8 | k >> 8
                h[9] = k
                h[10] = 0
                h[11] = 0x40
                h[12] = ttl
                s = s0 + tos + k + 0x40 + ttl
                s = (s & 0xFFFF) + (s >> 16)
                h[13] = ((s & 0xFFFF) + (s >> 16)) ^ 0xFFFF
                w[7] = own
                w[8] = peer
            else:
                h[7] = 0xDD86
                w[4] = tos
                k = n + 20
                h[10] = (k & 0xFF) << 8 | k >> 8
                h[11] = ttl
                k = 4
                while k < 8:
                    w[k + 2] = way[k]
                    w[k + 6] = way[k - 4]
                    k += 1
                w = ptr32(int(w) + 20)
                h = ptr16(w)
            b = ptr8(w)
            h[18] = ports >> 16
            h[19] = ports
            k = r[0]
            b[40] = k >> 24
            b[41] = k >> 16
            b[42] = k >> 8
            b[43] = k
            b[44] = ack >> 24
            b[45] = ack >> 16
            b[46] = ack >> 8
            b[47] = ack
            k = (r[_SEG_FLAGS] | 0x10) << 8 | 0x50
            h[24] = k
            h[25] = wnd
            h[27] = 0
            s = s0 + h[18] + h[19] + h[20] + h[21] + h[22] + h[23] + k + wnd + 0x600
            k = n + 20
            s += (k & 0xFF) << 8 | k >> 8
            k = r[_SEG_SUM]
            s += (k & 0xFF) << 8 | k >> 8
            s = (s & 0xFFFF) + (s >> 16)
            h[26] = ((s & 0xFFFF) + (s >> 16)) ^ 0xFFFF
            r[_SEG_AT] = now
            k = (regs[_NTH] + 1) & _WRAP
            regs[_NTH] = k
            r[_SEG_NTH] = k
            regs[_SND_NXT] = regs[_SND_NXT] + n
            if send2 is none:
                p = segs[c].p
                err = int(driver.tx(p))
                if int(p.ref) > 1:
                    r[_SEG_KEEP] = 0
            else:
                piece[0] = int(w) + 56 - heads
                piece[2] = r[_SEG_TEXT]
                piece[3] = n
                err = int(send2(dev, pieces))
            k = hot[_ETH] + 1
            if err:
                k += 5
            hot[k] = hot[k] + 1
            sent += 1
            last = c
            c = r[_SEG_NEXT]
        if sent:
            if peer:
                k = hot[_IP4] + 1
                hot[k] = hot[k] + sent
            else:
                k = six[_IP6] + 1
                six[k] = six[k] + sent
            k = hot[_TCP] + 1
            hot[k] = hot[k] + sent
            seg = segs[first]
            if had:
                segs[regs[_SENT]].next = seg
            else:
                pcb.unacked = seg
            seg = segs[last]
            pcb.unacked_last = seg
            regs[_SENT] = last
            pcb.unsent = segs[c]
            regs[_UNSENT] = c
            if c:
                seg.next = none
            else:
                pcb.unsent_last = none
            regs[_PTO_DUE] = regs[_RACK]
            if had == 0:
                t = pcb.t_rexmit
                if not t.running:
                    pcb.net.timers.start(t, regs[_RTO])
                    regs[_RTX_DUE] = (now + regs[_RTO]) & _WRAP
    if why:
        return 1
    if regs[_ACK_NOW]:
        if hot[_BURST] == 0:
            pcb.net.tcp.acknowledge(pcb)
        elif regs[_OWES] == 0:
            regs[_OWES] = 1
            regs[_NEXT_OUT] = hot[_OUT]
            hot[_OUT] = int(pcb.number)
    if regs[_PTO_DUE]:
        k = regs[_FIRST]
        if k == regs[_UNSENT]:
            regs[_LOSS_DUE] = 0
            pcb.net.tcp.schedule(pcb)
            return 0
        regs[_PTO_DUE] = 0
        ms = regs[_PTO]
        if k == regs[_SENT]:
            ms += 200
        k = (regs[_RTX_DUE] - now) & _WRAP
        if k & _BEFORE:
            return 0
        if k <= ms:
            ms = k - 1
        if ms > 0:
            due = (now + ms) & _WRAP
            k = regs[_LOSS_DUE]
            if k and (due - k) & _BEFORE == 0:
                loss.due = due
            else:
                pcb.loss_for = _PROBE
                pcb.net.timers.start(loss, ms)
            regs[_LOSS_DUE] = due
    return 0


@micropython.viper
def tcp_acked(pcb):
    place, stack, none, segs, t = pcb.kit
    regs = ptr32(int(place) << 2)
    hot = ptr32(int(stack) << 2)
    regs[_BUSY] = 1
    now = hot[_NOW]
    acked = hot[_LEN]
    una = regs[_SND_UNA]
    used = (regs[_SND_NXT] - una) & _WRAP
    regs[_SND_UNA] = una + acked
    una = regs[_SND_UNA]
    raw = hot[_RAW_WND]
    if raw != regs[_WINDOW]:
        regs[_WINDOW] = raw
        wnd = ((raw & 0xFF) << 8 | raw >> 8) << int(pcb.snd_scale)
        pcb.snd_wnd = wnd
        if wnd > int(pcb.snd_wnd_max):
            pcb.snd_wnd_max = wnd
        k = int(pcb.cwnd)
        if k < wnd:
            wnd = k
        regs[_EDGE] = wnd
    if regs[_TIMING] and (una - regs[_RTT_SEQ] - 1) >> 31 & 1 == 0:
        regs[_TIMING] = 0
        k = (now - regs[_TIMED_AT]) & _WRAP
        if k & _BEFORE:
            k = 0
        tcp_rtt(pcb, k, regs[_RTO_MIN], regs[_RTO_MAX])
        k = int(pcb.rto)
        if k != regs[_RTO]:
            regs[_RTO] = k
            pcb.net.timers.start(t, k)
        k = int(pcb.srtt) >> 2
        if k < 50:
            k = 50
        regs[_PTO] = k
    k = (now + regs[_RTO]) & _WRAP
    t.due = k
    regs[_RTX_DUE] = k
    c = regs[_FIRST]
    unsent = regs[_UNSENT]
    done = 0
    r = regs
    s = regs
    while c != unsent:
        s = ptr32(int(hot) + ((hot[_SEGS] + c * _SEG_REGS) << 2))
        n = s[_SEG_LEN]
        if (una - s[0] - n) >> 31 & 1:
            break
        r = s
        rest = s[_SEG_NEXT]
        done += n
        if n > regs[_ACKED_LEN]:
            regs[_ACKED_LEN] = n
        regs[_QUEUED] = regs[_QUEUED] - 1
        if s[_SEG_KEEP]:
            k = hot[_KEPT]
            hot[hot[_KEPT_AT] + k] = c
            hot[_KEPT] = k + 1
        else:
            tcp_seg_free(pcb.net.tcp, segs[c])
        c = rest
    regs[_FIRST] = c
    if c == 0:
        regs[_LAST] = 0
    more = 0
    if c == unsent:
        pcb.unacked = none
        pcb.unacked_last = none
    else:
        pcb.unacked = segs[c]
        more = 1 if una != s[0] else 0
    regs[_SND_BUF] = regs[_SND_BUF] + done
    if done and regs[_RACK]:
        s = ptr32(pcb.sb)
        s[_FACK] = r[0] + r[_SEG_LEN]
        k = (now - r[_SEG_AT]) & _WRAP
        if k & _BEFORE:
            k = 0
        s[_RTT] = k
        if k < s[_MIN_RTT]:
            s[_MIN_RTT] = k
        k = r[_SEG_NTH]
        if (s[_LAST_NTH] - k) & _BEFORE:
            s[_LAST_NTH] = k
    if more:
        regs[_ARMED] = 1
        done += int(pcb.net.tcp.release(pcb))
    regs[_LAST_ACKED] = acked
    if used > regs[_CALM]:
        pcb.net.tcp.grow(pcb, acked)
    regs[_PTO_DUE] = regs[_RACK]
    if done:
        fn = pcb.on_sent
        if fn is not none:
            fn(pcb.arg, pcb, done)
            if regs[_BUSY] == 0:
                return
    regs[_BUSY] = 0
    if regs[_ARMED] & 2:
        if int(tcp_push(pcb)) == 0:
            return
        regs[_ARMED] = 1
    pcb.net.tcp.done(pcb, pcb.regs)
