#include "admin/page/render.h"

namespace weir {

const std::string_view kPageStyle = R"(
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#16202c;--soft:#5a6675;--rule:#dfe4ea;
--line:#1f6feb;--area:#1f6feb22;--good:#116d3a;--good-bg:#dcf5e6;--warn:#8a5300;--warn-bg:#fdf0d3;
--bad:#a4161a;--bad-bg:#fde3e3;--calm-bg:#e8ecf1}
@media (prefers-color-scheme:dark){:root{--bg:#0e141b;--card:#161e28;--ink:#e3e9f0;--soft:#97a5b5;
--rule:#27323f;--line:#6cb2ff;--area:#6cb2ff2e;--good:#6fdc9d;--good-bg:#123524;--warn:#f5c26b;
--warn-bg:#3a2a0c;--bad:#ff9c9c;--bad-bg:#451a1d;--calm-bg:#232e3b}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.45 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue",sans-serif;font-variant-numeric:tabular-nums}
header,main,footer{max-width:76rem;margin:0 auto;padding:0 1rem}
header{display:flex;flex-wrap:wrap;align-items:center;gap:.4rem .9rem;padding-top:1.1rem;
padding-bottom:.3rem}
h1{font-size:1.35rem;margin:0;letter-spacing:-.01em;display:flex;align-items:center;gap:.5rem}
h1 svg{width:1.5rem;height:1.5rem}
header p{margin:0;color:var(--soft)}
header .when{margin-left:auto}
section{margin:1.1rem 0}
h2{font-size:.8rem;text-transform:uppercase;letter-spacing:.06em;color:var(--soft);
margin:0 0 .45rem;
font-weight:650}
.badge{display:inline-block;padding:.08rem .5rem;border-radius:1rem;font-size:.82rem;
font-weight:600;
white-space:nowrap;background:var(--calm-bg)}
.good{color:var(--good);background:var(--good-bg)}
.warn{color:var(--warn);background:var(--warn-bg)}
.bad{color:var(--bad);background:var(--bad-bg)}
.wrong{list-style:none;margin:0;padding:0;display:grid;gap:.4rem}
.wrong li{border-radius:.5rem;padding:.55rem .8rem;border-left:.28rem solid currentColor;
overflow-wrap:anywhere}
.wrong strong{margin-right:.4rem}
.wrong span{color:var(--ink)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.7rem}
figure{margin:0;background:var(--card);border:1px solid var(--rule);border-radius:.6rem;
padding:.6rem .75rem .45rem;position:relative;overflow:hidden}
figcaption{color:var(--soft);font-size:.82rem}
figure b{white-space:nowrap;font-size:1.4rem;font-weight:650;letter-spacing:-.02em}
figure small{color:var(--soft);font-size:.75rem;margin-left:.45rem;display:inline-block}
figure svg{display:block;width:100%;height:2.6rem;margin-top:.2rem}
.line{fill:none;stroke:var(--line);stroke-width:1.6;vector-effect:non-scaling-stroke;
stroke-linejoin:round}
.area{fill:var(--area)}
.base{stroke:var(--rule);vector-effect:non-scaling-stroke}
.scroll{background:var(--card);border:1px solid var(--rule);border-radius:.6rem;overflow-x:auto}
.scroll:focus-visible{outline:2px solid var(--line)}
table{border-collapse:collapse;width:100%}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{text-align:left;padding:.38rem .7rem;border-bottom:1px solid var(--rule);vertical-align:top;
font-weight:400}
tbody tr:last-child>*{border-bottom:0}
thead th{color:var(--soft);font-size:.8rem;font-weight:600;white-space:nowrap}
tbody th{font-weight:600;overflow-wrap:break-word;min-width:5.8rem}
meter+span,.health{white-space:nowrap}
.n{text-align:right;white-space:nowrap}
td.q,tbody th.q{font:.82rem/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;
overflow-wrap:anywhere;
min-width:16rem}
.why{display:inline-block;min-width:8rem;color:var(--soft);overflow-wrap:anywhere}
.zero{color:var(--soft)}
.more,.none{color:var(--soft);margin:.4rem 0 0}
meter{width:4.5rem;height:.7rem;vertical-align:middle;margin-right:.35rem}
footer{color:var(--soft);font-size:.85rem;padding-bottom:2rem}
#stale{display:none}
.stale #stale{display:block;background:var(--bad-bg);color:var(--bad);padding:.6rem 1rem;
font-weight:600;text-align:center}
.stale main{opacity:.6}
@media (max-width:42rem){.minor{display:none}.cards{grid-template-columns:1fr 1fr}
figure:last-child:nth-child(odd){grid-column:1/-1}
th,td{padding:.38rem .5rem}header .when{margin-left:0}body{font-size:14px}
figure b{font-size:1.2rem}td.q,tbody th.q{min-width:11rem}}
@media (prefers-reduced-motion:no-preference){.stale main{transition:opacity .3s}}
)";

const std::string_view kPageScript = R"(
(()=>{"use strict";
const every=2000;
const stale=(is)=>document.body.classList.toggle("stale",is);
async function refresh(){
  if(document.hidden)return;
  try{
    const how={cache:"no-store",credentials:"same-origin"};
    const answer=await fetch(location.pathname+"?parts",how);
    if(!answer.ok)throw new Error(answer.status);
    const next=new DOMParser().parseFromString(await answer.text(),"text/html");
    for(const part of document.querySelectorAll("[data-live]")){
      const other=next.getElementById(part.id);
      if(!other||other.innerHTML===part.innerHTML)continue;
      const held=[...part.querySelectorAll(".scroll")].map((s)=>s.scrollLeft);
      const focused=[...part.querySelectorAll(".scroll")].indexOf(document.activeElement);
      part.innerHTML=other.innerHTML;
      part.querySelectorAll(".scroll").forEach((s,i)=>{s.scrollLeft=held[i]||0;
        if(i===focused)s.focus({preventScroll:true});});
    }
    document.title=next.title;
    stale(false);
  }catch(e){stale(true);}
}
async function go(){await refresh();setTimeout(go,every);}
document.addEventListener("visibilitychange",refresh);
setTimeout(go,every);
})();
)";

const std::string_view kPageIcon =
    R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" aria-hidden="true">)"
    R"(<rect width="32" height="32" rx="7" fill="#1f6feb"/>)"
    R"(<path d="M4 11h9c4 0 3 11 7 11h8" fill="none" stroke="#fff" stroke-width="3.2" )"
    R"(stroke-linecap="round"/><path d="M16.500 7v18" stroke="#fff" stroke-width="2.2" )"
    R"(stroke-opacity=".55" stroke-linecap="round"/></svg>)";

}  // namespace weir
