// One box that ticks all the others; without this script it stays hidden.
const form = document.getElementById("dead-letters");
const all = document.getElementById("choose-all");
if (form && all) {
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of form.querySelectorAll("input[name=place]:enabled")) {
      box.checked = all.checked;
    }
  });
}
