// SPDX-License-Identifier: Apache-2.0
// Windows over the page: the browser's own <dialog> keeps the focus inside and closes on Escape.

import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';

import { use_words } from '../preferences';
import { error_text } from './states';

interface DialogProps {
  title: string;
  close: () => void;
  children: ComponentChildren;
  class?: string;
}

export function Dialog({ title, close, children, class: name }: DialogProps) {
  const { t } = use_words();
  const id = useId();
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={name ? `dialog ${name}` : 'dialog'}
      aria-labelledby={id}
      onCancel={(e) => {
        e.preventDefault();
        close();
      }}
      onClick={(e) => {
        if (e.target === element.current) close(); // the backdrop
      }}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id={id}>{title}</h2>
          <button type="button" class="icon-button" aria-label={t('dialog.close')} onClick={close}>
            <svg viewBox="0 0 20 20" aria-hidden="true">
              <path d="M5 5l10 10M15 5L5 15" />
            </svg>
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  text: ComponentChildren;
  /** what the button says */
  action: string;
  danger?: boolean;
  /** while it runs the window stays; when it fails the reason is shown */
  run: () => Promise<void>;
  close: () => void;
}

/** Asks before something that is hard to take back. */
export function Confirm({ title, text, action, danger = false, run, close }: ConfirmProps) {
  const { t } = use_words();
  const [busy, set_busy] = useState(false);
  const [problem, set_problem] = useState<Error | null>(null);
  const go = async () => {
    set_busy(true);
    set_problem(null);
    try {
      await run();
      close();
    } catch (error) {
      set_problem(error instanceof Error ? error : new Error(String(error)));
      set_busy(false);
    }
  };
  return (
    <Dialog title={title} close={close} class="dialog-small">
      <div class="dialog-text">{text}</div>
      {problem && (
        <p class="problem" role="alert">
          {error_text(t, problem)}
        </p>
      )}
      <footer class="dialog-foot">
        <button type="button" class="button" onClick={close}>
          {t('dialog.cancel')}
        </button>
        <button
          type="button"
          class={danger ? 'button button-danger' : 'button button-main'}
          data-action="confirm"
          disabled={busy}
          onClick={() => void go()}
        >
          {busy ? t('dialog.busy') : action}
        </button>
      </footer>
    </Dialog>
  );
}
