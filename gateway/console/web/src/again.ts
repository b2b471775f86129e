// What a page shows goes stale while it is left open: read again as long as somebody can see it.

import { useEffect } from 'preact/hooks';

/** Reads now, again each `everyMs` while the page is seen, and anew when one of `of` is another. `read` asks `gone`
 * before it shows what came: the page may show something else by then. */
export function useAgain(everyMs: number, read: (gone: () => boolean) => void, of: unknown[] = []): void {
  useEffect(() => {
    let left = false;
    const gone = (): boolean => left;
    read(gone);
    const timer = setInterval(() => document.hidden || read(gone), everyMs);
    return () => {
      left = true;
      clearInterval(timer);
    };
  }, of);
}
