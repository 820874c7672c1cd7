"use strict";
const videos = [...document.querySelectorAll("video")];
const play = document.getElementById("play");
const position = document.getElementById("position");
const speed = document.getElementById("speed");
const columns = document.getElementById("columns");
// one clock for all: a video that is off by more than this many seconds is moved to it
const TOLERANCE = 0.06;
let playing = true, clock = 0, last = performance.now();
const length = () => Math.max(0.001, ...videos.map(video => video.duration || 0));
function place(video, exact) {
  const target = Math.min(clock, Math.max(0, (video.duration || 0) - 0.001));
  if (Math.abs(video.currentTime - target) > (exact ? 0.001 : TOLERANCE)) video.currentTime = target;
}
function frame(now) {
  if (playing) {
    clock += (now - last) / 1000 * Number(speed.value);
    if (clock >= length()) {
      clock = 0;
      for (const video of videos) { video.currentTime = 0; video.play().catch(() => {}); }
    }
    for (const video of videos) {
      if (video.paused && clock < (video.duration || 0)) video.play().catch(() => {});
      if (!video.ended) place(video, false);
    }
    position.value = 1000 * clock / length();
  }
  last = now;
  document.body.dataset.clock = clock.toFixed(3);
  requestAnimationFrame(frame);
}
play.onclick = () => {
  playing = !playing;
  play.textContent = playing ? "Pause" : "Play";
  if (!playing) for (const video of videos) { video.pause(); place(video, true); }
};
position.oninput = () => {
  clock = position.value / 1000 * length();
  for (const video of videos) place(video, true);
};
speed.onchange = () => { for (const video of videos) video.playbackRate = Number(speed.value); };
columns.oninput = () => document.querySelector("main").style.setProperty("--columns", columns.value || 1);
for (const video of videos) video.onclick = () => video.parentElement.classList.toggle("large");
requestAnimationFrame(frame);
