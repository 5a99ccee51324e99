import{g as n,h as m}from"./chunk-LBP4DZFZ.js";n(m("main",{id:"main",children:m("h1",{children:"Console"})}),document.getElementById("app"));
