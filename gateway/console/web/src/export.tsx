// The incident as one signed file: asked for with a reason, which the gateway writes down before the file leaves.

import { useState } from 'preact/hooks';
import { packageUrl } from './api';
import { Dialog } from './parts';
import type { Case } from './types';
import { t } from './words';

export function Export({ one }: { one: Case }) {
  const [asking, setAsking] = useState(false);
  const [reason, setReason] = useState('');
  const why = reason.trim();
  const done = () => {
    setAsking(false);
    setReason('');
  };
  return (
    <>
      <button type="button" class="plain print" data-export="ask" onClick={() => setAsking(true)}>
        {t('export.ask')}
      </button>
      {asking ? (
        <Dialog title={t('export.ask')} onClose={done}>
          <p class="hint">{t('export.hint')}</p>
          <label>
            {t('export.reason')}
            <input value={reason} maxLength={500} data-export="reason" onInput={(event) => setReason(event.currentTarget.value)} />
          </label>
          <div class="steps">
            {why === '' ? (
              <button type="button" class="main" disabled>
                {t('export.go')}
              </button>
            ) : (
              // A link, and no request of the page: a package may be larger than what a page holds. When it is gone,
              // the browser has begun with it.
              <a class="button main" href={packageUrl(one.incident, why)} download data-export="go" onClick={() => setTimeout(done, 0)}>
                {t('export.go')}
              </a>
            )}
            <button type="button" onClick={done}>
              {t('act.cancel')}
            </button>
          </div>
        </Dialog>
      ) : null}
    </>
  );
}
