// A chart whose library comes when one is first looked at. What it shows stands in words or in a table beside it too.

import { useEffect, useRef } from 'preact/hooks';
import type { ChartColours, ChartData, Drawing } from './chart_draw';

function colours(): ChartColours {
  const style = getComputedStyle(document.documentElement);
  const of = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return { text: of('soft'), grid: of('edge'), main: of('s3'), second: of('good'), loud: of('bad'), warn: of('warn') };
}

export function Chart({ data, label, height = 220 }: { data: ChartData; label: string; height?: number }) {
  const into = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let drawing: Drawing | null = null;
    let gone = false;
    const box = into.current;
    void import('./chart_draw').then(({ drawChart }) => {
      if (gone || box === null) return;
      drawing = drawChart(box, data, colours(), height);
    });
    const size = new ResizeObserver(() => drawing?.fit());
    if (box !== null) size.observe(box);
    const theme = new MutationObserver(() => drawing?.paint(colours()));
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    return () => {
      gone = true;
      size.disconnect();
      theme.disconnect();
      drawing?.end();
    };
  }, [data, height]);
  return <div class="chart" ref={into} role="img" aria-label={label} data-chart />;
}
