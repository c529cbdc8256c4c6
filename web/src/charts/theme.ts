// SPDX-License-Identifier: Apache-2.0

/** The value of a CSS custom property now: charts draw on canvas, but their looks live in CSS. */
export function css_value(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim() || '#888';
}

/** The same colour, see-through. `color` is #rrggbb. */
export function with_alpha(color: string, alpha: number): string {
  const byte = Math.round(alpha * 255);
  return /^#[0-9a-f]{6}$/i.test(color) ? color + byte.toString(16).padStart(2, '0') : color;
}
