/** What of htm-preact.js the console uses. */

/** A described part of a page. */
export type Described = object;
export function html(strings: TemplateStringsArray, ...values: unknown[]): Described;
export function render(described: unknown, parent: Element): void;
