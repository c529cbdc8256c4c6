// SPDX-License-Identifier: Apache-2.0
// Reads a server-sent event stream (WHATWG HTML, section 9.2) from text that arrives in any
// pieces. The browser's EventSource is not used: it gives up for good on an HTTP error, and it
// cannot send Last-Event-ID on a connection of our own making.

export interface ServerEvent {
  event: string;
  data: string;
}

/** Longest unfinished line or event kept; a stream that passes it is broken. */
export const kEventCharactersMax = 1 << 20;

export class EventParser {
  /** The last id seen: what to send as Last-Event-ID. */
  last_id = '';
  private rest_ = '';
  private event_ = '';
  private data_: string[] = [];
  private size_ = 0;

  constructor(last_id = '') {
    this.last_id = last_id;
  }

  /** Takes the next piece and returns the events that it completes. Throws RangeError when the
   * stream passes kEventCharactersMax without ending a line or an event. */
  feed(piece: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    const text = this.rest_ + piece;
    let start = 0;
    for (;;) {
      const end = find_line_end(text, start);
      if (end === null) break;
      this.take_line(text.slice(start, end.at), events);
      start = end.next;
    }
    this.rest_ = text.slice(start);
    if (this.rest_.length + this.size_ > kEventCharactersMax) {
      throw new RangeError('an event of the stream is too long');
    }
    return events;
  }

  private take_line(line: string, events: ServerEvent[]): void {
    if (line === '') {
      if (this.data_.length > 0) {
        events.push({ event: this.event_ || 'message', data: this.data_.join('\n') });
      }
      this.event_ = '';
      this.data_ = [];
      this.size_ = 0;
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return; // a comment: it only keeps the connection
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'event') this.event_ = value;
    if (field === 'id' && !value.includes('\0')) this.last_id = value;
    if (field === 'data') {
      this.data_.push(value);
      this.size_ += value.length;
    }
  }
}

/** A line ends with LF, CR LF or CR. A CR at the very end waits: an LF may follow. */
function find_line_end(text: string, from: number): { at: number; next: number } | null {
  for (let i = from; i < text.length; ++i) {
    const c = text.charCodeAt(i);
    if (c === 10) return { at: i, next: i + 1 };
    if (c === 13) {
      if (i + 1 === text.length) return null;
      return { at: i, next: text.charCodeAt(i + 1) === 10 ? i + 2 : i + 1 };
    }
  }
  return null;
}
