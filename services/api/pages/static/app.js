// The pages' own script: keeps a page as things are now, and follows the log of a run.
"use strict";

const PAUSE = 500; // ms between two looks at a page, at least
const TICK = 2000; // ms after which what goes on is looked at without news: durations grow
const AGAIN = 1000; // ms until a lost stream is asked for once more
const MOST_LINES = 5000;

const live = () => document.getElementById("live");

// One look at a time, and never for more than a fifth of the time: a page may be a large one.
let planned = 0;
let looking = false;
let free = 0;

function look() {
  if (planned || looking || document.hidden) return (again = true);
  planned = setTimeout(renew, Math.max(0, free - performance.now()));
}
let again = false;

async function renew() {
  [planned, looking, again] = [0, true, false];
  const began = performance.now();
  try {
    await htmx.ajax("GET", location.href, { target: "#live", select: "#live", swap: "outerMorph" });
  } finally {
    const now = performance.now();
    [looking, free] = [false, now + Math.max(PAUSE, 4 * (now - began))];
  }
  listen();
  if (again) look();
}

// Browsers keep six connections to a service: only the page that is looked at holds one.
let news = null;
let followed = "";

function listen() {
  const wanted = document.hidden ? "" : live().dataset.live || "";
  if (wanted === followed) return;
  deafen();
  followed = wanted;
  if (!wanted) return;
  news = new EventSource(wanted);
  news.onmessage = look;
  news.onopen = () => { away(false); look(); }; // what came before it was open is news, too
  news.onerror = () => {
    away(true);
    if (news.readyState !== EventSource.CLOSED) return; // the browser asks again by itself
    deafen();
    setTimeout(listen, AGAIN);
  };
}

function deafen() {
  if (news) news.close();
  [news, followed] = [null, ""];
}

function away(isAway) {
  document.getElementById("away").hidden = !isAway;
}

// The log: lines come in thousands, so they are put into the page once for each picture.
let log = null;
let last = "";
let waiting = [];

function follow() {
  const box = document.getElementById("log");
  if (!box || document.hidden || log) return;
  log = new EventSource(`${box.dataset.follow}?follow=1${last && `&cursor=${last}`}`);
  log.onmessage = (message) => {
    last = message.lastEventId;
    if (!waiting.length) requestAnimationFrame(() => show(box));
    waiting.push(JSON.parse(message.data));
  };
  log.addEventListener("end", () => { log.close(); look(); });
  log.onerror = () => { unfollow(); setTimeout(follow, AGAIN); };
}

function unfollow() {
  if (!log || log.readyState === EventSource.CLOSED) return; // it ended
  log.close();
  log = null;
}

function show(box) {
  const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 20;
  const rows = waiting.slice(-MOST_LINES).map(line);
  sift(rows);
  box.append(...rows);
  waiting = [];
  while (box.childElementCount > MOST_LINES) box.firstElementChild.remove();
  if (atEnd) box.scrollTop = box.scrollHeight;
}

function line({ time, level, task, message }) {
  const row = document.createElement("div");
  const at = document.createElement("span");
  const text = document.createElement("bdi");
  at.className = "at";
  at.textContent = `${new Date(time).toISOString().slice(11, 23)} ${task ? `${task} ` : ""}`;
  text.className = level;
  text.textContent = message;
  row.append(at, text);
  return row;
}

// Which lines are shown: from a level on, with a text in them, as a task run's name is.
const LEVELS = ["debug", "info", "warning", "error", "critical"];

function sift(rows) {
  const { least, text } = document.getElementById("sieve");
  const from = LEVELS.indexOf(least.value);
  const wanted = text.value.toLowerCase();
  for (const row of rows) {
    row.hidden = LEVELS.indexOf(row.lastChild.className) < from
      || !row.textContent.toLowerCase().includes(wanted);
  }
}

function sifted(event) {
  if (!event.target.closest("#sieve")) return;
  event.preventDefault(); // of a form that is sent: nobody is to be asked
  sift(document.getElementById("log").children);
}

// A task run of the timeline leads to what it said; the blank ends its name: load-1 is not load-10.
function asked(event) {
  const link = event.target.closest("[data-said]");
  if (!link) return;
  document.getElementById("sieve").text.value = `${link.dataset.said} `;
  sift(document.getElementById("log").children);
}

function attend() {
  listen();
  if (document.hidden) return unfollow();
  follow();
  if (live().dataset.live) look();
}

document.addEventListener("visibilitychange", attend);
for (const change of ["input", "change"]) document.addEventListener(change, sifted);
document.addEventListener("submit", sifted);
document.addEventListener("click", asked);
window.addEventListener("pagehide", () => { deafen(); unfollow(); });
window.addEventListener("pageshow", (event) => event.persisted && attend());
// Of an address with a password in it browsers ask for nothing more; by now they know the password.
if (new URL(document.baseURI).username) location.replace(location.href);
// What a form was refused with is shown at the form's own address, where nothing is to be asked for.
if (live().dataset.at) history.replaceState(null, "", live().dataset.at);
setInterval(() => { if ("ticks" in live().dataset && !document.hidden) look(); }, TICK);
listen();
follow();
