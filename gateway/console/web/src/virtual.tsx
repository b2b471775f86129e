// A table of thousands of rows of which only those in sight are on the page.

import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

const BEYOND = 8;

interface Props<T> { rows: readonly T[]; heads: string[]; label: string; rowPx: number; keyOf: (row: T) => string; cells: (row: T) => ComponentChildren[]; look: (row: T) => string }

export function VirtualTable<T>({ rows, heads, label, rowPx, keyOf, cells, look }: Props<T>) {
  const box = useRef<HTMLDivElement>(null);
  const [[from, to], setRange] = useState([0, 40]);
  const measure = () => {
    const { scrollTop = 0, clientHeight = 800 } = box.current ?? {};
    const first = Math.max(0, Math.floor(scrollTop / rowPx) - BEYOND);
    const last = Math.ceil((scrollTop + clientHeight) / rowPx) + BEYOND;
    setRange((before) => (before[0] === first && before[1] === last ? before : [first, last]));
  };
  useLayoutEffect(() => {
    measure();
    const watch = new ResizeObserver(measure);
    if (box.current !== null) watch.observe(box.current);
    return () => watch.disconnect();
  }, [rows.length, rowPx]);
  const shown = rows.slice(from, to);
  return (
    <div class="virtual" ref={box} onScroll={measure} tabIndex={0} role="table" aria-label={label} aria-rowcount={rows.length + 1}>
      <div role="rowgroup" class="heads">
        <div role="row" class="vrow" aria-rowindex={1}>
          {heads.map((head) => (
            <span key={head} role="columnheader">
              {head}
            </span>
          ))}
        </div>
      </div>
      <div role="rowgroup" class="vrows" ref={(one) => one?.style.setProperty('height', `${rows.length * rowPx}px`)}>
        {shown.map((row, n) => (
          <div key={keyOf(row)} role="row" class={`vrow ${look(row)}`} aria-rowindex={from + n + 2} data-row={keyOf(row)} ref={(one) => one?.style.setProperty('transform', `translateY(${(from + n) * rowPx}px)`)}>
            {cells(row).map((cell, m) => (
              <span key={m} role="cell">
                {cell}
              </span>
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}
