// SPDX-License-Identifier: Apache-2.0
// Line icons of the navigation, drawn for this page.

const kPaths = {
  now: 'M2 11h3.5l2-6 4 11 2.5-7 1.2 2H18',
  search: 'M9 3.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM13.2 13.2L17 17',
  alerts: 'M10 3a4.5 4.5 0 0 1 4.5 4.5c0 4 1.5 5.5 1.5 5.5H4s1.5-1.5 1.5-5.5A4.5 4.5 0 0 1 10 3zM8.3 16a2 2 0 0 0 3.4 0',
  rules: 'M4 5h12M4 10h8M4 15h5M14.5 12.5l1.5 1.5 2.5-3',
  models: 'M10 2.8l6.5 3.6v7.2L10 17.2l-6.5-3.6V6.4zM3.5 6.4L10 10l6.5-3.6M10 10v7.2',
  system: 'M3.5 4.5h13v4.5h-13zM3.5 11h13v4.5h-13zM6.5 6.750h.01M6.5 13.250h.01',
} as const;

export type IconName = keyof typeof kPaths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d={kPaths[name]} />
    </svg>
  );
}
