"""The page that web.py serves. One constant, so that it stays in ROM."""

HTML = b"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>lwpy</title>
<link rel="icon" href="data:,">
<style>
:root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--ink:#16202c;--dim:#667085;--line:#e4e7ec;
--hue:#0a7d5a;--fill:#0a7d5a22;--warn:#b54708}
@media(prefers-color-scheme:dark){:root{--bg:#0e141b;--card:#18212b;--ink:#e8edf2;--dim:#8fa0b2;
--line:#27323f;--hue:#3ddc97;--fill:#3ddc9722;--warn:#fdb022}}
*{box-sizing:border-box}
body{margin:0 auto;padding:20px 16px 32px;max-width:960px;background:var(--bg);color:var(--ink);
font:15px/1.45 system-ui,sans-serif}
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 12px;margin-bottom:16px}
h1{margin:0;font-size:26px;letter-spacing:-.5px}
h2{margin:0 0 10px;font-size:13px;font-weight:600;color:var(--dim)}
#on{font-size:13px;color:var(--hue)}#on.off{color:var(--warn)}
#about{flex-basis:100%;color:var(--dim);font-size:13px}
section{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px;
margin-bottom:12px;min-width:0}
.tiles,.cards,.pair{display:grid;gap:12px}
.tiles{grid-template-columns:repeat(auto-fit,minmax(130px,1fr));margin-bottom:12px}
.tiles section,.cards section,.pair section{margin:0}
.pair{grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));margin-bottom:12px}
.cards{align-items:start;grid-template-columns:repeat(auto-fill,minmax(260px,1fr))}
b{font-weight:600;font-variant-numeric:tabular-nums}
.tiles b{display:block;font-size:24px;line-height:1.2;white-space:nowrap}
.tiles h2{margin-bottom:2px}
small,.dim{color:var(--dim);font-size:12px}small{display:block;line-height:1.35}
svg{display:block;width:100%;height:64px}
.row{display:flex;justify-content:space-between;gap:12px;padding:3px 0;
font-variant-numeric:tabular-nums}
.bar{height:8px;border-radius:4px;background:var(--line);overflow:hidden;margin:2px 0 8px;
position:relative}
.bar i{position:absolute;inset:0 auto 0 0;background:var(--fill)}
.bar i+i{background:var(--hue);border-radius:4px}
.new{color:var(--hue)}.old{color:var(--dim)}
details{margin-top:6px}summary{color:var(--dim);font-size:12px;cursor:pointer}
footer{color:var(--dim);font-size:12px;margin-top:16px}
</style>
</head>
<body>
<header><h1>lwpy</h1><span id="on">connecting</span><span id="about"></span></header>
<div class="tiles" id="tiles"></div>
<section><h2>Frames per second, received and sent</h2>
<svg id="plot" viewBox="0 0 59 40" preserveAspectRatio="none" fill="none" stroke-width="1.5">
<path id="rx" stroke="var(--hue)" vector-effect="non-scaling-stroke"/>
<path id="tx" stroke="var(--dim)" vector-effect="non-scaling-stroke" stroke-dasharray="3 2"/>
</svg><div class="row dim"><span id="rate"></span><span>last minute</span></div></section>
<div class="pair"><section><h2>Connections</h2><div id="conns"></div></section>
<section><h2>Buffers in use, and the most that ever were</h2><div id="pools"></div></section></div>
<div class="cards" id="counts"></div>
<footer>lwpy is a TCP/IP stack in Python. Under MicroPython it serves this page without
allocating memory.</footer>
<script>
const $=id=>document.getElementById(id),esc=t=>(t+"").replace(/[<&]/g,c=>"&#"+c.charCodeAt()+";");
const tile=(k,v,s)=>`<section><h2>${esc(k)}</h2><b>${v}</b><small>${s}</small></section>`;
const row=(k,v,c)=>`<div class="row"><span>${esc(k)}</span><b class="${c||""}">${v}</b></div>`;
const title={tcp:"TCP",udp:"UDP",icmp:"ICMP",ip4:"IPv4",ip6:"IPv6",arp:"ARP",eth:"Ethernet"};
let names,last,heap0,up0,trace=[];
const order=p=>(Object.keys(title).indexOf(p)+8)%8;
function time(s){
 const d=Math.floor(s/86400),p=n=>(n+"").padStart(2,"0");
 return(d?d+"d ":"")+p(Math.floor(s/3600)%24)+":"+p(Math.floor(s/60)%60)+":"+p(s%60)}
function read(view){
 let i=0;const u=()=>view.getUint32(4*i++),r={up:u(),extra:{},counts:[],pools:[],conns:[]};
 for(const n of names.extra)r.extra[n]=u();
 for(const[p,list]of names.counters)r.counts.push([p,list.map(n=>[n,u()])]);
 for(const n of names.pools)r.pools.push({n,size:u(),avail:u(),low:u(),empty:u()});
 for(let k=0;k<names.connections;k++){
  const c={state:u(),alen:u(),port:u(),peer:u()},at=view.byteOffset+4*i;
  const a=new Uint8Array(view.buffer,at,16);i+=4;
  c.addr=c.alen==4?a.slice(0,4).join("."):
   Array.from({length:8},(_,j)=>(a[2*j]<<8|a[2*j+1]).toString(16)).join(":");
  if(c.state)r.conns.push(c)}
 return r}
function get(r,p,n){const c=r.counts.find(x=>x[0]==p),v=c&&c[1].find(x=>x[0]==n);return v?v[1]:0}
function line(k,max){
 return trace.map((t,i)=>(i?"L":"M")+(i+60-trace.length)+" "+(38-36*t[k]/max).toFixed(1))
  .join("")}
function show(r){
 const nif=names.counters[names.counters.length-1][0],rx=get(r,nif,"rx"),tx=get(r,nif,"tx");
 const heap=r.extra["heap in use"];
 if(heap0===undefined||r.up<up0){heap0=heap;last=undefined}
 up0=r.up;
 if(last){
  const dt=(Date.now()-last.at)/1000,d=(a,b)=>((a-b)>>>0)/dt;
  trace.push([d(rx,last.rx),d(tx,last.tx)]);trace=trace.slice(-60);
  const max=Math.max(10,...trace.flat()),t=trace[trace.length-1];
  $("rx").setAttribute("d",line(0,max));$("tx").setAttribute("d",line(1,max));
  $("rate").textContent=t[0].toFixed(0)+" received, "+t[1].toFixed(0)+" sent"}
 let s=tile("Uptime",time(r.up),"since reset")+tile("Received",rx.toLocaleString(),"frames")+
  tile("Sent",tx.toLocaleString(),"frames");
 if(heap!==undefined)s+=tile("Heap",(heap-heap0).toLocaleString()+" B",
  "allocated since you came; "+Math.round(heap/1024)+" KB in use");
 $("tiles").innerHTML=s;
 $("conns").innerHTML=r.conns.map(c=>row(c.addr+" port "+c.peer,names.states[c.state],
  c.state==10?"old":"")).join("")||
  '<span class="dim">none</span>';
 $("pools").innerHTML=r.pools.map(p=>row(p.n,`${p.size-p.avail} of ${p.size}`+
  (p.empty?`, empty ${p.empty} times`:""))+`<div class="bar"><i style="width:${
  100*(p.size-p.low)/p.size}%"></i><i style="width:${100*(p.size-p.avail)/p.size}%"></i></div>`
  ).join("");
 $("counts").innerHTML=r.counts.map(([p,l],i)=>{
  const was=last&&last.counts[i][1],some=l.filter(x=>x[1]),none=l.filter(x=>!x[1]);
  return`<section style="order:${order(p)}"><h2>${esc(title[p]||p)}</h2>`+some.map(([n,v])=>{
   const j=l.findIndex(x=>x[0]==n);
   return row(n.replace(/_/g," "),v.toLocaleString(),was&&was[j][1]!=v?"new":"")}).join("")+
   (none.length?`<div class="dim">zero: ${none.map(x=>esc(x[0].replace(/_/g," "))).join(", ")
   }</div>`:"")+"</section>"}).join("");
 last={at:Date.now(),rx,tx,counts:r.counts}}
async function ask(path){
 const r=await fetch(path,{signal:AbortSignal.timeout(4000)});
 if(!r.ok)throw r.status;return r}
async function tick(){
 try{
  if(!names){
   names=await(await ask("names")).json();
   const a=names.about;document.title="lwpy on "+a.board;
   $("about").textContent=[a.board,a.python,a.address,a.mac].filter(x=>x).join(" \\u00b7 ")}
  show(read(new DataView(await(await ask("stats")).arrayBuffer())));
  $("on").textContent="live";$("on").className=""}
 catch(e){$("on").textContent="no answer, trying again";$("on").className="off"}
 setTimeout(tick,1000)}
tick();
</script>
</body>
</html>
"""
