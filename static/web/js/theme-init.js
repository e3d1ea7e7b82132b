// Runs before the first paint (a classic script in <head>), so that a stored choice never flashes.
(function () {
  var root = document.documentElement;
  root.classList.add("js");
  try {
    var stored = localStorage.getItem("karen.theme");
    if (stored === "light" || stored === "dark") root.dataset.theme = stored;
  } catch (error) {
    // Storage forbidden: the system's preference stands.
  }
})();
