"""stack/dns.py: questions, answers, servers, aliases. Runs on every interpreter."""

from stack import dns, udp
from stack.err import ERR_ARG, ERR_INPROGRESS, ERR_MEM, ERR_RTE, ERR_TIMEOUT, ERR_VAL, OK
from tests import dnswire
from tests.dnswire import AAAA, CNAME, PTR, A, record, soa
from tests.packets import OTHER, PEER, UDP, Ip4, ether, icmp, is_ip, num
from tests.packets import udp as datagram
from tests.support import Lab

WWW = b"www.example.org"
ADDR = bytes((192, 0, 2, 80))
ADDR6 = b"\x20\x01\x0d\xb8" + bytes(11) + b"\x80"
HERE = b"\xc0\x0c"  # the name in the question


class Asked:
    """A question that the stack has sent."""

    def __init__(self, frame):
        packet = Ip4(frame)
        self.at = frame.at
        self.ip = packet
        self.server = packet.dst
        self.port = num(packet.body, 0, 2)
        assert num(packet.body, 2, 2) == 53
        self.message = dnswire.Message(packet.body[8:])
        self.name, self.kind, self.cls = self.message.questions[0]

    def answer(self, answers=(), flags=0x8180, question=None, ident=None, server=None, **more):
        """Return the frame of an answer."""
        question = self.message.question if question is None else question
        ident = self.message.id if ident is None else ident
        data = dnswire.message(ident, flags, question, answers, **more)
        return ether(datagram(53, self.port, data, server or self.server))


class Client:
    """A resolver, and what it has found."""

    def __init__(self, servers=(PEER,), **limits):
        self.lab = Lab(**limits)
        self.net = self.lab.net
        dns.start(self.net, servers)
        self.found = []

    def look(self, name=WWW, addr=None):
        addr = bytearray(4) if addr is None else addr
        return dns.gethostbyname(self.net, name, addr, found, self)

    def ask(self, name=WWW, addr=None):
        """Ask, and return the question."""
        assert self.look(name, addr) == ERR_INPROGRESS
        return self.asked()

    def asked(self):
        self.lab.poll()  # its neighbours answer ARP
        frame = self.lab.take(is_ip(UDP))
        return None if frame is None else Asked(frame)

    def count(self, name):
        return self.lab.count("dns", name)

    def end(self):
        assert all(q.found is None and q.pcb is None for q in self.net.dns.queries)
        assert not any(u.in_use for u in self.net.udp_pcbs)
        self.lab.end()


def found(client, out, n):
    client.found.append((bytes(out[: max(n, 0)]), n))


def test_question():
    c = Client(DNS_0X20=False)
    q = c.ask()
    assert (q.name, q.kind, q.cls) == (WWW, A, 1)
    assert q.message.flags == 0x0100 and q.server == PEER
    ((owner, kind, size, ttl, data),) = q.message.additional
    assert (owner, kind, size, ttl, data) == (b"", dnswire.OPT, 1232, 0, b"")
    c.lab.put(q.answer([record(HERE, A, ADDR)]))
    assert c.found == [(ADDR, 4)]
    assert c.count("tx") == c.count("rx") == 1
    c.end()


def test_question_without_edns():
    c = Client(DNS_EDNS_SIZE=0)
    q = c.ask()
    assert q.message.additional == []
    c.lab.put(q.answer([record(HERE, A, ADDR)]))
    assert c.found == [(ADDR, 4)]
    c.end()


def test_ipv6_address():
    c = Client()
    q = c.ask(addr=bytearray(16))
    assert q.kind == AAAA
    c.lab.put(q.answer([record(HERE, AAAA, ADDR6)]))
    assert c.found == [(ADDR6, 16)]
    c.end()


def test_addresses_as_text_need_no_server():
    c = Client(())
    for text, ip in ((b"192.0.2.1", (192, 0, 2, 1)), (b"0.255.0.10", (0, 255, 0, 10))):
        addr = bytearray(4)
        assert c.look(text, addr) == OK and bytes(addr) == bytes(ip)
    for text in (b"256.1.1.1", b"1.259.1.1", b"1.2.3", b"1.2.3.", b"1.2.3.4.5", b"1.2.3.4a"):
        assert c.look(text) == ERR_RTE, text
    for text in (b"1..2.3", b".1.2.3"):
        assert c.look(text) == ERR_ARG
    c.end()


def test_bad_arguments():
    c = Client()
    assert c.look(b"") == ERR_ARG
    assert c.look(b"a" * 64) == ERR_ARG
    assert c.look(WWW, bytearray(5)) == ERR_ARG
    assert dns.getnamebyaddr(c.net, bytes(5), bytearray(64), found, c) == ERR_ARG
    assert dns.getnamebyaddr(c.net, ADDR, bytearray(0), found, c) == ERR_ARG
    assert dns.setserver(c.net, -1, PEER) == dns.setserver(c.net, 3, PEER) == ERR_ARG
    assert dns.setserver(c.net, 0, bytes(5)) == ERR_ARG
    try:
        dns.start(c.net, (PEER,) * 4)
        raise AssertionError("accepted")
    except ValueError as e:
        assert "DNS_SERVERS" in str(e)
    c.end()


def test_id_port_and_case_are_new_each_time():
    """RFC 5452 sections 4.3 and 4.5; and letters of random case."""
    c = Client((PEER,), DNS_CACHE_SIZE=0)
    seen = set()
    for _ in range(8):
        q = c.ask()
        assert q.name.lower() == WWW
        seen.add((q.message.id, q.port, q.name))
        c.lab.put(q.answer([record(HERE, A, ADDR)]))
    assert len({x[0] for x in seen}) == len({x[1] for x in seen}) == 8
    assert len({x[2] for x in seen}) >= 6
    c.end()


def test_retries_go_round_the_servers():
    c = Client(("10.0.0.2", OTHER), DNS_TIMEOUT=1000, DNS_ROUNDS=2)
    asked = [c.ask()]
    c.lab.wait(20_000)
    while (q := c.asked()) is not None:
        asked.append(q)
    assert [q.server for q in asked] == [PEER, OTHER, PEER, OTHER]
    assert [q.at for q in asked] == [0, 1000, 2000, 4000]
    assert c.found == [(b"", ERR_TIMEOUT)]
    assert c.count("timeout") == 4 and c.count("tx") == 4
    assert len({q.port for q in asked}) == 4
    c.end()


def test_a_late_answer_to_the_first_question_is_not_taken():
    c = Client()
    first = c.ask()
    c.lab.wait(1500)
    second = c.asked()
    c.lab.put(first.answer([record(HERE, A, OTHER)]))
    assert c.found == []
    c.lab.put(second.answer([record(HERE, A, ADDR)]))
    assert c.found == [(ADDR, 4)]
    c.end()


def test_the_server_that_answered_is_asked_first_the_next_time():
    c = Client((PEER, OTHER))
    c.ask()
    c.lab.wait(1000)
    c.lab.put(c.asked().answer([record(HERE, A, ADDR)]))
    assert c.ask(b"other.example").server == OTHER
    c.lab.wait(60_000)
    c.end()


def test_a_server_that_fails_or_refuses_is_left_at_once():
    for rcode in (2, 4, 5, 9):
        c = Client((PEER, OTHER))
        q = c.ask()
        c.lab.put(q.answer(flags=0x8180 | rcode))
        q = c.asked()
        assert q.server == OTHER and q.at == 0 and c.count("failed") == 1
        c.lab.put(q.answer([record(HERE, A, ADDR)]))
        assert c.found == [(ADDR, 4)]
        c.end()


def test_no_server_helps():
    c = Client(DNS_ROUNDS=3)
    q = c.ask()
    for _ in range(3):
        c.lab.put(q.answer(flags=0x8182))
        q = c.asked()
    assert q is None and c.found == [(b"", ERR_RTE)]
    c.end()


def test_icmp_says_that_the_server_is_not_there():
    c = Client((PEER, OTHER))
    q = c.ask()
    head = bytes((0x45, 0, 0, 60)) + bytes(5) + bytes((UDP, 0, 0)) + q.ip.src + q.ip.dst
    c.lab.put(ether(icmp(3, 3, bytes(4), head + q.ip.body[:8])))
    q = c.asked()
    assert q.server == OTHER and c.count("unreachable") == 1
    c.lab.put(q.answer([record(HERE, A, ADDR)]))
    c.end()


def test_servers_change_while_a_query_is_under_way():
    c = Client()
    c.ask()
    assert dns.setserver(c.net, 0, None) == OK
    assert dns.setserver(c.net, 1, bytes(3) + OTHER, 3, 4) == OK
    c.lab.wait(1000)
    q = c.asked()
    assert q.server == OTHER
    c.lab.put(q.answer([record(HERE, A, ADDR)]))
    assert c.found == [(ADDR, 4)]
    assert dns.setserver(c.net, 1, None) == OK
    assert c.look(b"b.example") == ERR_RTE
    c.end()


def test_all_servers_go_while_a_query_is_under_way():
    c = Client()
    c.ask()
    dns.start(c.net, ())
    c.lab.wait(1000)
    assert c.found == [(b"", ERR_TIMEOUT)]
    c.end()


def test_as_many_queries_as_there_is_room_for():
    c = Client(DNS_QUERIES=2)
    one, two = c.ask(b"a.example"), c.ask(b"b.example")
    assert c.look(b"c.example") == ERR_MEM
    c.lab.put(two.answer([record(HERE, A, OTHER)]), one.answer([record(HERE, A, ADDR)]))
    assert c.found == [(OTHER, 4), (ADDR, 4)]
    c.lab.put(c.ask(b"c.example").answer([record(HERE, A, ADDR)]))
    c.end()


def test_no_pcb_or_no_pbuf_is_tried_again():
    c = Client(NUM_UDP_PCB=1)
    u = udp.new(c.net)
    assert c.look() == ERR_INPROGRESS and c.asked() is None and c.count("no_pcb") == 1
    udp.remove(u)
    avail = c.net.pool.avail
    c.net.pool.avail = 1
    c.lab.wait(1000)
    c.net.pool.avail = avail
    assert c.asked() is None and c.count("no_pbuf") == 1
    c.lab.wait(2000)
    c.lab.put(c.asked().answer([record(HERE, A, ADDR)]))
    assert c.found == [(ADDR, 4)]
    c.end()


def test_no_route_is_tried_again():
    c = Client()
    c.lab.nif.up = False
    assert c.look() == ERR_INPROGRESS and c.count("no_route") == 1
    c.lab.nif.up = True
    c.lab.wait(1000)
    c.lab.put(c.asked().answer([record(HERE, A, ADDR)]))
    assert c.found == [(ADDR, 4)]
    c.end()


def test_a_new_query_in_the_callback():
    c = Client(DNS_QUERIES=1)

    def chain(client, out, n):
        found(client, out, n)
        assert client.look(b"second.example") == ERR_INPROGRESS

    addr = bytearray(4)
    assert dns.gethostbyname(c.net, WWW, addr, chain, c) == ERR_INPROGRESS
    c.lab.put(c.asked().answer([record(HERE, A, ADDR)]))
    q = c.asked()
    assert q.name.lower() == b"second.example"
    c.lab.put(q.answer([record(HERE, A, OTHER)]))
    assert c.found == [(ADDR, 4), (OTHER, 4)]
    c.end()


# Forged and damaged answers


def test_forged_answers_are_counted_and_dropped():
    c = Client((PEER,))
    q = c.ask()
    ok = [record(HERE, A, OTHER)]
    asked = q.message.question
    swapped = bytes(c ^ 0x20 if 64 < c < 128 else c for c in asked[:-4]) + asked[-4:]
    for frame, why in (
        (q.answer(ok, ident=q.message.id ^ 1), "bad_id"),
        (q.answer(ok, flags=0x0100), "bad_id"),  # no response
        (q.answer(ok, flags=0x8980), "bad_id"),  # another opcode
        (q.answer(ok, question=swapped), "bad_question"),
        (q.answer(ok, question=asked[:-4] + b"\x00\x1c\x00\x01"), "bad_question"),
        (q.answer(ok, question=asked[:-4] + b"\x00\x01\x00\x03"), "bad_question"),
        (q.answer(ok, question=dnswire.name(b"w.example") + asked[-4:]), "bad_question"),
        (q.answer(ok, question=asked, counts=[2, 1, 0, 0]), "bad_question"),
        (q.answer(ok, question=b"", counts=[0, 1, 0, 0]), "bad_question"),
        (ether(datagram(53, q.port, bytes(11))), "short"),
    ):
        before = c.count(why)
        c.lab.put(frame)
        assert c.count(why) == before + 1, why
        assert c.found == [] and c.asked() is None
    c.lab.put(q.answer(ok, server=OTHER))
    c.lab.put(ether(datagram(54, q.port, b"")))
    assert c.lab.count("udp", "no_port") == 2 and c.found == []
    c.lab.put(q.answer([record(HERE, A, ADDR)]))
    assert c.found == [(ADDR, 4)]
    c.lab.frames.clear()
    c.end()


def test_what_is_not_about_the_name_is_passed_over():
    c = Client()
    q = c.ask()
    c.lab.put(
        q.answer(
            [
                record(dnswire.name(b"www.example.net"), A, OTHER),
                record(HERE, AAAA, ADDR6),
                record(HERE, A, OTHER, cls=3),
                record(HERE, A, ADDR),
                record(HERE, A, OTHER),
            ]
        )
    )
    assert c.found == [(ADDR, 4)]
    c.end()


def test_damaged_answers_send_us_to_the_next_server():
    good = record(HERE, A, ADDR)
    for answers, counts in (
        ([record(HERE, A, ADDR, n=5)], None),
        ([record(HERE, A, ADDR[:3])], None),
        ([record(HERE, A, ADDR + b"\x00")], None),
        ([record(HERE, A, b"")], None),
        ([record(HERE, A, ADDR, n=65535)], None),
        ([record(b"\xc0\x40", A, ADDR)] * 2, [1, 65535, 0, 0]),
        ([], [1, 1, 0, 0]),
        ([good[:-1]], None),
        ([record(HERE, CNAME, b"\x3fabc")], None),
        ([record(HERE, CNAME, b"")], None),
    ):
        c = Client((PEER, OTHER))
        q = c.ask()
        c.lab.put(q.answer(answers, counts=counts))
        assert c.found == [] and c.count("bad_record") == 1, answers
        c.lab.put(c.asked().answer([good]))
        assert c.found == [(ADDR, 4)]
        c.end()


def test_a_server_that_knows_no_edns():
    """RFC 6891 section 7: FORMERR, perhaps with nothing but the header."""
    for question in (b"", None):
        c = Client((PEER, OTHER))
        q = c.ask()
        c.lab.put(q.answer(flags=0x8181, question=question))
        q = c.asked()
        assert q.server == PEER and q.message.additional == [] and c.count("no_edns") == 1
        c.lab.put(q.answer([record(HERE, A, ADDR)]))
        assert c.found == [(ADDR, 4)]
        c.end()


# Aliases


def test_an_alias_with_its_address_in_any_order():
    target = dnswire.name(b"host.example")
    answers = [record(HERE, CNAME, target), record(target, A, ADDR)]
    for records in (answers, answers[::-1]):
        c = Client()
        c.lab.put(c.ask().answer(records))
        assert c.found == [(ADDR, 4)] and c.count("cname") == 1
        c.end()


def test_an_alias_is_asked_for():
    c = Client((PEER, OTHER), DNS_ROUNDS=1)
    q = c.ask()
    c.lab.put(q.answer([record(HERE, CNAME, dnswire.name(b"a.example"))]))
    q = c.asked()
    assert q.name.lower() == b"a.example" and q.server == PEER and q.at == 0
    c.lab.put(q.answer([record(HERE, CNAME, b"\x01b" + b"\xc0\x0e")]))
    q = c.asked()
    assert q.name.lower() == b"b.example"
    c.lab.put(q.answer([record(HERE, A, ADDR)]))
    assert c.found == [(ADDR, 4)]
    c.end()


def test_aliases_in_a_circle_end():
    a, b = dnswire.name(b"a.example"), dnswire.name(b"b.example")
    circle = [record(HERE, CNAME, a), record(a, CNAME, b), record(b, CNAME, a)]
    c = Client(DNS_CNAMES=8)
    c.lab.put(c.ask().answer(circle))
    assert c.found == [(b"", ERR_VAL)] and c.count("cname") == 9
    c.end()


def test_as_many_aliases_as_are_allowed():
    for n, result in ((8, (ADDR, 4)), (9, (b"", ERR_VAL))):
        c = Client(DNS_CNAMES=8)
        names = [HERE] + [dnswire.name(b"a%d.example" % i) for i in range(n)]
        chain = [record(names[i], CNAME, names[i + 1]) for i in range(n)]
        c.lab.put(c.ask().answer(chain + [record(names[n], A, ADDR)]))
        assert c.found == [result]
        c.end()


def test_aliases_asked_for_one_by_one_are_bounded_too():
    c = Client(DNS_CNAMES=3)
    q = c.ask()
    asked = 1
    while not c.found:
        c.lab.put(q.answer([record(HERE, CNAME, dnswire.name(b"a%d.example" % asked))]))
        q = c.asked()
        asked += 1
    assert c.found == [(b"", ERR_VAL)] and asked == 5 and q is None
    c.end()


# Names of addresses


def test_name_of_an_address():
    c = Client()
    name = bytearray(64)
    assert dns.getnamebyaddr(c.net, ADDR, name, found, c) == ERR_INPROGRESS
    q = c.asked()
    assert (q.name.lower(), q.kind) == (b"80.2.0.192.in-addr.arpa", PTR)
    c.lab.put(q.answer([record(HERE, PTR, dnswire.name(WWW))]))
    assert c.found == [(WWW, 15)]
    assert dns.getnamebyaddr(c.net, ADDR6, bytearray(7), found, c) == ERR_INPROGRESS
    q = c.asked()
    assert q.name.lower().endswith(b".8.b.d.0.1.0.0.2.ip6.arpa")
    alias = dnswire.name(b"80.sub.example")
    c.lab.put(q.answer([record(HERE, CNAME, alias), record(alias, PTR, dnswire.name(WWW))]))
    assert c.found[1:] == [(WWW[:7], 7)]
    c.end()


def test_an_address_without_a_name():
    c = Client()
    assert dns.getnamebyaddr(c.net, ADDR, bytearray(64), found, c) == ERR_INPROGRESS
    c.lab.put(c.asked().answer(flags=0x8183, authorities=[soa(HERE)]))
    assert c.found == [(b"", ERR_VAL)]
    assert dns.getnamebyaddr(c.net, ADDR, bytearray(64), found, c) == ERR_INPROGRESS
    c.lab.put(c.asked().answer([record(HERE, PTR, b"\xff\xff")]))
    q = c.asked()
    assert c.count("bad_record") == 1
    c.lab.put(q.answer([record(HERE, PTR, b"\x00")]))  # the root is no host's name
    assert c.count("bad_record") == 2
    c.lab.put(c.asked().answer([record(HERE, PTR, dnswire.name(b"a"))]))
    assert c.found[1:] == [(b"a", 1)]
    c.end()
