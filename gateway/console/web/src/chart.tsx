// A chart whose library comes when one is first looked at. What it shows stands in words or in a table beside it too.

import { useEffect, useRef } from 'preact/hooks';
import type { ChartColours, ChartData, Drawing } from './chart_draw';
import { colour, onTheme } from './theme';

function colours(): ChartColours {
  return { text: colour('soft'), grid: colour('edge'), main: colour('s3'), second: colour('good'), loud: colour('bad'), warn: colour('warn') };
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
    const stop = onTheme(() => drawing?.paint(colours()));
    return () => {
      gone = true;
      size.disconnect();
      stop();
      drawing?.end();
    };
  }, [data, height]);
  return <div class="chart" ref={into} role="img" aria-label={label} data-chart />;
}
