// The page's own colours, and when they change.

/** One of them, as it is now. */
export const colour = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Does this whenever the page turns dark or light, until what it gives is called. */
export function onTheme(then: () => void): () => void {
  const watcher = new MutationObserver(then);
  watcher.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
  return () => watcher.disconnect();
}
