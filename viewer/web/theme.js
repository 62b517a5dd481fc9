// Applies the reader's own choice of theme before the first paint. It is a classic script in the
// head for that reason: a module would run after the page has been drawn in the other theme.
try {
  const chosen = localStorage.getItem('theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  // No storage (a private window): the system's theme it is.
}
