"use strict";(()=>{try{let e=JSON.parse(localStorage.getItem("fs.theme")??'"system"');(e==="light"||e==="dark")&&(document.documentElement.dataset.theme=e)}catch{}})();
