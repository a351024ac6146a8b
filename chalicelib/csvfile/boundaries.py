"""Where the splitter may cut: at record boundaries, exactly as the row parser sees them.

The rules are those of `csv.reader` over a file opened with newline="": a quote opens a field only at the start of the
field, a doubled quote inside it means one quote, text after a closing quote is plain text, and a physical line ends
with LF, CRLF or a lone CR. There is one additional rule. A record that is longer than `RECORD_BYTES_MAX` (including its
terminator), or whose quote is still open at the end of the file, is treated as a forgotten quote: only its first
physical line is a record, which the row parser rejects, and parsing restarts at the next physical line.

Cost. Most files are well formed: quotes are only around whole fields, and doubled inside. There, one regular expression
scans a mebibyte at a time, and a line end is the end of a record if the number of quotes before it is even
(see `_Window._well_formed_end`). Where that cannot be proven, `bytes.find` jumps between quotes and line ends, and
every search stops at the next one that it needs. A forgotten quote makes the text after it be read again, but not once
per line: where two records meet that are both still inside quotes, they continue identically. So all lines below a
forgotten quote share one search for its end (see `_Window._record_end`). The work for one chunk is therefore at most a
few times `chunk_bytes` + `RECORD_BYTES_MAX`, and any two consecutive chunks advance by more than `chunk_bytes` or
`lines_max` lines, of which a file has a limited number. So the time is linear in the size of the file, whatever it
contains.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

from chalicelib.errors import UnreadableFile
from chalicelib.limits import CHUNK_BYTES, CHUNK_LINES_MAX, KIB, LINES_MAX, RECORD_BYTES_MAX

_QUOTE = ord('"')
_LF = ord("\n")
_CR = ord("\r")
_LINE_END = re.compile(rb"\r\n?|\n")
_LONE_CR = re.compile(rb"\r(?!\n)")
_COUNT_STEP_BYTES = 64 * KIB
"""Lines are counted in steps of this size, so that a chunk of short lines does not cost more than its bytes."""
_LINE_ENDS_TRIED_MAX = 100
"""How many line ends inside quotes are tried, backwards, before falling back to the slower method."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole records, as the half-open byte range [start, end) of the UTF-8 object.

    `first_line` is the physical line number of the byte at `start`, `next_line` that of the byte at `end`. An
    `oversized` chunk is a single physical line that is longer than a record may be; only its beginning needs to be
    read. In a `regular` chunk no record can be too long, so it may be parsed in one pass. A chunk for which that is not
    cheap to prove is not marked as regular.
    """

    start: int
    end: int
    first_line: int
    next_line: int
    oversized: bool
    regular: bool = field(compare=False)


class Splitter:
    """Cuts a stream of blocks into chunks. Holds at most a block, a record and a chunk in memory.

    `start` is the absolute offset of the first byte that will be fed, which must be a record boundary, and `line` its
    physical line number. There is no other state: a new splitter that starts at the `end` and `next_line` of any chunk
    continues with the same chunks. A chunk ends at the last record boundary within `chunk_bytes` and `lines_max`
    physical lines of its start, or at the end of its first record if that is longer. The chunks cover the file from
    `start` on, without gaps or overlaps.

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
        lines_max: int = CHUNK_LINES_MAX,
    ) -> None:
        self._delimiter = ord(delimiter)
        self._chunk_bytes = chunk_bytes
        self._lines_max = lines_max
        self._record_bytes_max = record_bytes_max
        # To cut a chunk, all records that start in it must be in the window, and the two bytes after them.
        self._needed_bytes = chunk_bytes + record_bytes_max + 2
        self._start = start
        self._line = line
        self._blocks: list[bytes] = []
        self._blocks_bytes = 0
        self._window = self._open_window(b"", is_last=False)
        self._window_start = start
        self._at = 0  # Position in the window of the first byte that is neither in a chunk nor skipped.
        self._skipping = False  # Inside a line that is longer than a record may be.

    def feed(self, block: bytes) -> Iterator[Chunk]:
        """Takes the next block and yields the chunks that are now certain. Exhaust it before feeding the next block."""
        self._blocks.append(block)
        self._blocks_bytes += len(block)
        if self._window.size - self._at + self._blocks_bytes >= self._needed_bytes:
            self._refill(is_last=False)
            yield from self._cut_window()

    def finish(self) -> Iterator[Chunk]:
        """Yields the remaining chunks: the file ends here."""
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
            end = None if self._skipping else window.cut(self._at, self._chunk_bytes, self._lines_max)
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
    """A section of the file. Finds where its lines and records end; all positions are relative to the section.

    Up to `known` the meaning of each byte is certain, because the two bytes after it are in the window: a quote may be
    half of a doubled quote, a CR half of a CRLF. In the last window, `known` is the end of the file, with padding after
    it.
    """

    def __init__(self, data: bytes, delimiter: int, record_bytes_max: int, *, is_last: bool) -> None:
        self.data = data + b"\0\0" if is_last else data
        self.size = len(data)
        self.is_last = is_last
        self.known = self.size if is_last else max(self.size - 2, 0)
        self._delimiter = delimiter
        self._record_bytes_max = record_bytes_max
        lone_cr = _LONE_CR.search(data, 0, self.known + 1)
        self._has_lone_cr = lone_cr is not None and lone_cr.start() < self.known
        self.well_formed_end = 0
        """How far the last chunk is known to be well formed, without a record that is too long."""
        self._path_end = 0
        self._well_formed = _well_formed(delimiter)

    def cut(self, start: int, chunk_bytes: int, lines_max: int) -> int | None:
        """Returns the end of the chunk at `start`; None when its first line is longer than a record may be."""
        limit = self._end_of_lines(start, min(start + chunk_bytes, self.known), lines_max)
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

    def _end_of_lines(self, start: int, limit: int, lines_max: int) -> int:
        """Returns the end of the physical line that is the `lines_max`th one from `start` on, at most `limit`."""
        lines_left = lines_max
        while start < limit:
            stop = min(start + _COUNT_STEP_BYTES, limit)
            if self.data[stop - 1] == _CR and self.data[stop] == _LF:
                stop = min(stop + 1, limit)
            lines = self.line_ends(start, stop)
            if lines >= lines_left:
                *_, last = islice(_LINE_END.finditer(self.data, start, stop), lines_left)
                return last.end()
            lines_left -= lines
            start = stop
        return limit

    def _well_formed_end(self, start: int, limit: int) -> int:
        """Returns a record boundary in [start, limit]: the last one that is cheap to prove."""
        if self._has_lone_cr:
            return start
        boundary = start
        while True:
            # No record in a step of this length can be too long.
            stop = min(boundary + self._record_bytes_max, limit)
            end = self._last_end_outside_quotes(boundary, stop)
            if end == boundary or self._well_formed.fullmatch(self.data, boundary, end) is None:
                return boundary
            boundary = end

    def _last_end_outside_quotes(self, start: int, stop: int) -> int:
        """Returns the last line end in (start, stop] after an even number of quotes; `start` if none is found soon."""
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
        """Returns the end of the physical line at position `start`; more than `stop` when it is after `stop`."""
        if self._has_lone_cr:
            match = _LINE_END.search(self.data, start, stop + 1)
            end = match.end() if match else 0
        else:
            end = self.data.find(b"\n", start, stop) + 1
        if 0 < end <= stop:
            return end
        return stop if self.is_last and stop == self.size else stop + 1

    def line_ends(self, start: int, end: int) -> int:
        """Returns how many physical lines end in [start, end). The range must not split a CRLF."""
        count = self.data.count(b"\n", start, end)
        if self._has_lone_cr:
            count += self.data.count(b"\r", start, end) - self.data.count(b"\r\n", start, end)
        return count

    def _last_line_start(self, start: int, stop: int) -> int:
        """Returns the last line start in [start, stop], where no quotes are; stops at a line that is too long."""
        while True:
            reach = min(start + self._record_bytes_max, stop)
            last = self._last_line_end(start, reach)
            if last == start or reach == stop:
                return last
            start = last

    def _last_line_end(self, start: int, stop: int) -> int:
        """Returns the last end of a physical line in (start, stop]; `start` when there is none."""
        last = self.data.rfind(b"\n", start, stop) + 1 or start
        if self._has_lone_cr:
            cr = self.data.rfind(b"\r", last, stop)
            if cr >= 0 and self.data[cr + 1] == _LF:
                cr = self.data.rfind(b"\r", last, cr)  # That line ends after `stop`.
            last = cr + 1 or last
        return last

    def _record_end(self, record: int, horizon: int) -> int | None:
        """Returns the end of the record at `record`; None when its first line is longer than a record may be."""
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
        """Does the same for a record that starts on the path of a forgotten quote.

        The path is what the record of that quote would be without a length limit. It ends at `_path_end`, which is
        after the window when the path reaches past `horizon`. At every line end before that, the path is inside quotes.
        So a record that starts on the path either ends with its first line, or is also inside quotes there, and from
        then on both continue identically.
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
        """Returns where the record that starts at `record` ends outside quotes; None when that is after `stop`."""
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
        """Returns the position after the quoted field that contains `position`; 0 if it is not closed before `stop`.

        Of several quoted fields with only the delimiter between them, this is the position after the last one.
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
    """Matches whole records in which every quote encloses a field, or is one of a doubled pair inside it.

    All quantifiers are possessive, so a text that does not match costs one scan, like a text that does.
    """
    separator = re.escape(bytes([delimiter]))
    field = rb'"[^"]*+(?:""[^"]*+)*+"(?=[%b\r\n])' % separator
    return re.compile(rb'(?:%b)?+(?:[^"]*+(?<=[%b\n])%b)*+[^"]*+' % (field, separator, field))
