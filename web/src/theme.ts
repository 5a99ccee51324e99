// Runs before the first paint, so that a page never flashes in the other theme.
try {
  const theme = JSON.parse(localStorage.getItem("fs.theme") ?? '"system"');
  if (theme === "light" || theme === "dark") document.documentElement.dataset["theme"] = theme;
} catch { /* storage is forbidden: the system's theme */ }
