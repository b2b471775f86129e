// Names and values, one under the other; what is not known is left out.

import type { ComponentChildren } from 'preact';

export type FactRow = [name: string, value: ComponentChildren | undefined, look?: string];

export function FactList({ rows }: { rows: FactRow[] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value, look]) =>
        value === undefined || value === '' ? null : (
          <div key={name}>
            <dt>{name}</dt>
            <dd class={look}>{value}</dd>
          </div>
        ),
      )}
    </dl>
  );
}
