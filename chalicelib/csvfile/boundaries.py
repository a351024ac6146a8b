"""Where the splitter may cut: record boundaries, exactly as the row parser sees them.

The rules are those of `csv.reader` over a file opened with newline="": a quote opens a field only at the
field's start, a doubled quote inside stands for one, text after a closing quote is plain text, and a physical
line ends with LF, CRLF or a lone CR. One rule is added. A record that is longer than `RECORD_BYTES_MAX` (its
terminator counts), or whose quote is still open at the end of the file, is taken for a forgotten quote: its
first physical line alone is a record, which the row parser rejects, and parsing starts afresh at the next
physical line.

Cost. Most files are well formed: quotes only around whole fields, doubled inside. There one regular expression
walks over a mebibyte at a time, and a line end is a record's end when the number of quotes before it is even
(see `_Window._well_formed_end`). Where that cannot be proven, `bytes.find` walks over quotes and line ends, never
over bytes, and every search stops at the next thing it needs. A forgotten quote makes the text behind it be read
again, but not once per line: wherever two records that are both still inside quotes meet, they go on alike, so
all lines under a forgotten quote share one search for its end (see `_Window._record_end`). So the work for one
chunk is at most a few times `chunk_bytes` + `RECORD_BYTES_MAX`, and any two chunks in a row advance by more than
`chunk_bytes`: the time is linear in the size of the file, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from chalicelib.errors import UnreadableFile
from chalicelib.limits import CHUNK_BYTES, LINES_MAX, RECORD_BYTES_MAX

_QUOTE = ord('"')
_LF = ord("\n")
_CR = ord("\r")
_LINE_END = re.compile(rb"\r\n?|\n")
_LINE_ENDS_TRIED_MAX = 100
"""How many line ends inside quotes are looked at, backwards, before the slower way is taken."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole records, as the half-open byte range [start, end) of the UTF-8 object.

    `first_line` is the physical line number of the byte at `start`, `next_line` of the byte at `end`. An
    `oversized` chunk is a single physical line longer than a record may be; nobody needs to read more than
    its beginning. In a `regular` chunk no record can be too long, so that it may be parsed in one go; where
    that could not be proven at little cost, a chunk is not called regular.
    """

    start: int
    end: int
    first_line: int
    next_line: int
    oversized: bool
    regular: bool = field(compare=False)


class Splitter:
    """Cuts a stream of blocks into chunks while holding no more than a block, a record and a chunk of it.

    `start` is the absolute offset of the first byte that will be fed, which must be a record boundary, and
    `line` its physical line number. There is no other state: a new splitter started at any chunk's `end` and
    `next_line` goes on with the same chunks. A chunk ends at the last record boundary within `chunk_bytes` of
    its start, or, where the first record is longer, at that record's end. Chunks tile the file from `start`
    on.

    Raises UnreadableFile (`too_many_lines`) when the file has more lines than an import can number.
    """

    def __init__(
        self,
        delimiter: str,
        start: int,
        line: int,
        chunk_bytes: int = CHUNK_BYTES,
        *,
        record_bytes_max: int = RECORD_BYTES_MAX,
    ) -> None:
        self._delimiter = ord(delimiter)
        self._chunk_bytes = chunk_bytes
        self._record_bytes_max = record_bytes_max
        # To cut a chunk, all records that start in it must be in sight, and the two bytes behind them.
        self._needed_bytes = chunk_bytes + record_bytes_max + 2
        self._start = start
        self._line = line
        self._blocks: list[bytes] = []
        self._blocks_bytes = 0
        self._window = self._open_window(b"", is_last=False)
        self._window_start = start
        self._at = 0  # Position in the window of the first byte that is in no chunk yet, nor skipped.
        self._skipping = False  # Inside a line that is longer than a record may be.

    def feed(self, block: bytes) -> Iterator[Chunk]:
        """Take the next block and yield the chunks that are now certain; to be exhausted before the next one."""
        self._blocks.append(block)
        self._blocks_bytes += len(block)
        if self._window.size - self._at + self._blocks_bytes >= self._needed_bytes:
            self._refill(is_last=False)
            yield from self._cut_window()

    def finish(self) -> Iterator[Chunk]:
        """Yield the remaining chunks: the file ends here."""
        self._refill(is_last=True)
        yield from self._cut_window()

    def _refill(self, *, is_last: bool) -> None:
        rest = memoryview(self._window.data)[self._at : self._window.size]
        self._window_start += self._at
        self._at = 0
        self._window = self._open_window(b"".join([rest, *self._blocks]), is_last=is_last)
        self._blocks.clear()
        self._blocks_bytes = 0

    def _open_window(self, data: bytes, *, is_last: bool) -> _Window:
        return _Window(data, self._delimiter, self._record_bytes_max, is_last=is_last)

    def _cut_window(self) -> Iterator[Chunk]:
        window = self._window
        while self._at < window.size and (window.is_last or window.size - self._at >= self._needed_bytes):
            end = None if self._skipping else window.cut(self._at, self._chunk_bytes)
            if end is not None:
                yield self._chunk_to(end, oversized=False)
                continue
            end = window.line_end(self._at, window.known)
            self._skipping = end > window.known
            if self._skipping:
                self._at = window.known
            else:
                yield self._chunk_to(end, oversized=True)

    def _chunk_to(self, end: int, *, oversized: bool) -> Chunk:
        regular = not oversized and end - self._window.well_formed_end <= self._record_bytes_max
        next_line = self._line + self._window.line_ends(self._at, end)
        if next_line > LINES_MAX:
            raise UnreadableFile(
                f"The file has more than {LINES_MAX:,} lines. Split it into several files and import them in order.",
                code="too_many_lines",
            )
        chunk = Chunk(self._start, self._window_start + end, self._line, next_line, oversized, regular)
        self._at, self._start, self._line = end, chunk.end, next_line
        return chunk


class _Window:
    """A stretch of the file and where the lines and records in it end, as positions in the stretch.

    Up to `known` it is certain what the bytes mean, because the two behind are in sight: a quote may be half
    of a doubled one, a CR half of a CRLF. In the last window that is its end, with padding behind it.
    """

    def __init__(self, data: bytes, delimiter: int, record_bytes_max: int, *, is_last: bool) -> None:
        self.data = data + b"\0\0" if is_last else data
        self.size = len(data)
        self.is_last = is_last
        self.known = self.size if is_last else max(self.size - 2, 0)
        self._delimiter = delimiter
        self._record_bytes_max = record_bytes_max
        self._has_lone_cr = b"\r" in data and (
            data.count(b"\r", 0, self.known) != data.count(b"\r\n", 0, self.known + 1)
        )
        self.well_formed_end = 0
        """How far the chunk that was cut last is known to be well formed, without a record that is too long."""
        self._path_end = 0
        self._well_formed = _well_formed(delimiter)

    def cut(self, start: int, chunk_bytes: int) -> int | None:
        """The end of the chunk that starts at `start`, or None when its first line is longer than a record
        may be."""
        limit = min(start + chunk_bytes, self.known)
        horizon = min(limit + self._record_bytes_max, self.known)
        record = self._path_end = self.well_formed_end = self._well_formed_end(start, limit)
        end: int | None = record
        while record < limit:
            quote = self.data.find(b'"', record, limit)
            if quote != record:
                record = self._last_line_start(record, limit if quote < 0 else quote)
                if record == limit:
                    break
            end = self._record_end(record, horizon)
            if end is None or end > limit:
                break
            record = end
        return record if record > start else end

    def _well_formed_end(self, start: int, limit: int) -> int:
        """A record boundary in [start, limit]: the last one that can be proven to be one at little cost."""
        if self._has_lone_cr:
            return start
        boundary = start
        while True:
            # No record in a stride of this length can be too long.
            stop = min(boundary + self._record_bytes_max, limit)
            end = self._last_end_outside_quotes(boundary, stop)
            if end == boundary or self._well_formed.fullmatch(self.data, boundary, end) is None:
                return boundary
            boundary = end

    def _last_end_outside_quotes(self, start: int, stop: int) -> int:
        """The last line end in (start, stop] behind an even number of quotes; `start` when it is not found soon."""
        data, end, quotes = self.data, stop, 0
        for tried in range(_LINE_ENDS_TRIED_MAX):
            previous = data.rfind(b"\n", start, end) + 1
            if previous == 0:
                break
            quotes = data.count(b'"', start, previous) if tried == 0 else quotes - data.count(b'"', previous, end)
            if quotes % 2 == 0:
                return previous
            end = previous - 1
        return start

    def line_end(self, start: int, stop: int) -> int:
        """The end of the physical line that holds position `start`; more than `stop` when it lies behind
        that."""
        if self._has_lone_cr:
            match = _LINE_END.search(self.data, start, stop + 1)
            end = match.end() if match else 0
        else:
            end = self.data.find(b"\n", start, stop) + 1
        if 0 < end <= stop:
            return end
        return stop if self.is_last and stop == self.size else stop + 1

    def line_ends(self, start: int, end: int) -> int:
        """How many physical lines end in [start, end), which does not part a CRLF."""
        count = self.data.count(b"\n", start, end)
        if self._has_lone_cr:
            count += self.data.count(b"\r", start, end) - self.data.count(b"\r\n", start, end)
        return count

    def _last_line_start(self, start: int, stop: int) -> int:
        """The last line start in [start, stop], where no quotes are; but none behind a line that is too
        long."""
        while True:
            reach = min(start + self._record_bytes_max, stop)
            last = self._last_line_end(start, reach)
            if last == start or reach == stop:
                return last
            start = last

    def _last_line_end(self, start: int, stop: int) -> int:
        """The last end of a physical line in (start, stop]; `start` when there is none."""
        last = self.data.rfind(b"\n", start, stop) + 1 or start
        if self._has_lone_cr:
            cr = self.data.rfind(b"\r", last, stop)
            if cr >= 0 and self.data[cr + 1] == _LF:
                cr = self.data.rfind(b"\r", last, cr)  # The first one's line ends behind `stop`.
            last = cr + 1 or last
        return last

    def _record_end(self, record: int, horizon: int) -> int | None:
        """The end of the record that starts at `record`, or None when its first line is longer than a record
        may be."""
        cap = min(record + self._record_bytes_max, self.known)
        if record < self._path_end:
            return self._record_end_below_path(record, cap, horizon)
        end = self._closed_end(record, cap)
        if end is not None:
            return end
        self._path_end = self._closed_end(record, horizon) or self.size + 1
        line_end = self.line_end(record, cap)
        return line_end if line_end <= cap else None

    def _record_end_below_path(self, record: int, cap: int, horizon: int) -> int | None:
        """The same for a record that starts on the path of a forgotten quote.

        The path is what that quote's record would be without a cap; it ends at `_path_end`, or behind the
        window when that is past `horizon`. At every line end before, the path is inside quotes. So a record
        that starts on it either ends with its first line or is inside quotes there too, and from then on both
        go the same way.
        """
        line_end = self.line_end(record, cap)
        if line_end > cap:
            return None
        if line_end == self._path_end:
            self._path_end = record
            return self._record_end(record, horizon)
        if self._closed_end(record, line_end) is None and self._path_end <= cap:
            return self._path_end
        return line_end

    def _closed_end(self, record: int, stop: int) -> int | None:
        """Where the record that starts at `record` ends outside quotes; None when that is behind `stop`."""
        data, delimiter = self.data, self._delimiter
        position, line_end = record, -1
        while True:
            if position >= line_end:
                line_end = self.line_end(position, stop)
            quote = data.find(b'"', position, min(line_end, stop))
            if quote < 0:
                return line_end if line_end <= stop else None
            position = quote + 1
            if quote > record and data[quote - 1] != delimiter:
                continue  # A quote inside an unquoted field is plain text.
            position = self._after_quoted(position, stop)
            if position == 0:
                return None
            if data[position] == _CR and data[position + 1] == _LF:
                position += 1
            if data[position] == _LF and position < stop:
                return position + 1

    def _after_quoted(self, position: int, stop: int) -> int:
        """The position behind the quoted field that `position` is in; 0 when it is not closed before `stop`.

        Where quoted fields follow each other, with nothing but the delimiter between, it is behind the last one.
        """
        data, delimiter, find = self.data, self._delimiter, self.data.find
        while True:
            position = find(b'"', position, stop) + 1
            if position == 0:
                return 0
            follower = data[position]
            if follower == _QUOTE:
                position += 1
            elif follower == delimiter and data[position + 1] == _QUOTE:
                position += 2
            else:
                return position


@cache
def _well_formed(delimiter: int) -> re.Pattern[bytes]:
    """Whole records in which every quote is one around a field, or one of two that stand for one inside.

    Possessive throughout, so that a text which does not match costs one walk over it, like one that does.
    """
    separator = re.escape(bytes([delimiter]))
    field = rb'"[^"]*+(?:""[^"]*+)*+"(?=[%b\r\n])' % separator
    return re.compile(rb'(?:%b)?+(?:[^"]*+(?<=[%b\n])%b)*+[^"]*+' % (field, separator, field))
