// What is counted over a time goes stale on a page that is left open: read again while somebody can see it.

import { useEffect } from 'preact/hooks';

const AGAIN_MS = 30_000;

/** Reads now, each half minute while the page is seen, and anew when one of `of` is another. `read` asks `gone` before it
 * shows what came: the page may show something else by then. */
export function useAgain(read: (gone: () => boolean) => void, of: unknown[]): void {
  useEffect(() => {
    let left = false;
    const gone = (): boolean => left;
    read(gone);
    const timer = setInterval(() => document.hidden || read(gone), AGAIN_MS);
    return () => {
      left = true;
      clearInterval(timer);
    };
  }, of);
}
