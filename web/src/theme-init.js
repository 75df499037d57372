// Runs before the first paint: puts the stored theme and language on <html>, so that nothing flashes.
(function () {
  try {
    var theme = localStorage.getItem('heddle.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
    var lang = localStorage.getItem('heddle.lang');
    if (lang === 'de' || lang === 'en') document.documentElement.lang = lang;
  } catch {
    // Storage may be refused; the system's theme and the browser's language are used then.
  }
})();
