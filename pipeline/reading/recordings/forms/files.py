"""Recordings with a file for each, which are no tables: sounds, pictures and arrays."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.counting import count
from pipeline.reading.recordings.evidence.masks import check_no_masks
from pipeline.reading.recordings.forms.request import MANY_FILES, Discovery, Request, number_of
from pipeline.recording_options import Media


class FileForms(Request):
    """Discovers the labels of files."""

    def of_files(self, media: Media, files: Sequence[str]) -> Discovery:
        """Discovers recordings with a file for each, which are no tables of samples."""
        notes = [f"{number_of(len(files), media)} below {self.listing.base}"]
        if media == "image":
            check_no_masks(files, self.listing.base)
        table = self.table_of_labels(files)
        notes += self._rest([*files, *([table.path] if table else ())])
        if table is not None:
            return self.by_table(media, files, table, notes)
        return self.by_name(media, files, notes)

    def _rest(self, used: Sequence[str]) -> Iterator[str]:
        """Says which other files could be recordings too, and are not used."""
        listing = self.listing
        tables = listing.tables if len(listing.tables) >= MANY_FILES else ()
        others = [*listing.arrays, *listing.foreign, *tables]
        others += [file for kind in listing.media.values() for file in kind]
        suffixes = Counter(Path(file).suffix.lower() for file in {*others} - {*used})
        if suffixes:
            listed = ", ".join(f"{number:,} {suffix}" for suffix, number in suffixes.most_common())
            yield f"not used: {count(suffixes.total(), 'file')} of other kinds ({listed})"
