from math import ceil, isqrt, lcm

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dasksom.errors import InputError
from dasksom.image.sources.chunk_planning import plan_chunks

MIB = 2**20

sides = st.integers(1, 200_000)
stored_sides = st.one_of(st.sampled_from([1, 16, 240, 256, 512, 1000, 1024, 2048]), st.integers(1, 3000))


@pytest.mark.parametrize(
    ("shape", "itemsize", "stored", "align", "expected"),
    [
        ((100_000, 100_000, 3), 1, (1024, 1024), 1, (4096, 4096)),
        ((32_768, 32_768, 3), 1, (2048, 2048), 512, (4096, 4096)),
        ((32_768, 32_768, 3), 1, (2048, 2048), 1, (4096, 4096)),
        ((100, 70, 3), 1, (32, 32), 1, (128, 96)),  # small: one chunk, rounded up to storage chunks
        ((100, 70, 3), 1, (512, 512), 1, (256, 256)),  # one storage chunk holds it all
        ((100_000, 100_000, 3), 1, (1, 100_000), 1, (223, 100_000)),  # strips: full width, many per chunk
        ((9 * 1024, 1024, 16), 1, (1024, 1024), 1, (3072, 1024)),  # 9 in 4s: evenly 3, 3, 3
        ((50_000, 50_000, 3), 1, (1000, 1000), 512, (4096, 4096)),  # lcm would be 64,000: align wins
        ((50_000, 50_000, 3), 1, (768, 768), 512, (4608, 4608)),  # lcm is 1536: both hold
        ((20_000, 20_000, 3), 1, (20_000, 20_000), 1, (4096, 4096)),  # one big strip is split as it pleases
        ((50_000, 50_000, 3), 1, (12_000, 12_000), 1, (12_000, 12_000)),  # at least one storage chunk
    ],
)
def test_plan(shape, itemsize, stored, align, expected):
    assert plan_chunks(shape, itemsize, stored, chunk_bytes=64 * MIB, align=align) == expected


@given(
    shape=st.tuples(sides, sides, st.integers(1, 12)),
    itemsize=st.sampled_from([1, 2, 4, 8]),
    stored=st.tuples(stored_sides, stored_sides),
    chunk_bytes=st.integers(MIB, 256 * MIB),
    align=st.sampled_from([1, 2, 256, 512]),
)
def test_plan__properties(shape, itemsize, stored, chunk_bytes, align):
    height, width, bands = shape
    rows, columns = plan_chunks(shape, itemsize, stored, chunk_bytes=chunk_bytes, align=align)
    wanted = chunk_bytes // (bands * itemsize)
    covers = stored[0] >= height, stored[1] >= width
    for chunk, length, piece, covered in zip((rows, columns), (height, width), stored, covers, strict=True):
        assert chunk % align == 0
        limit = lcm(256, align) if all(covers) else max(piece, lcm(min(piece, length), align) if covered else 0)
        reach = lcm(piece, align) if not covered else ceil(length / align) * align
        assert chunk < length + max(limit, reach)
        if covered and not all(covers):
            assert chunk >= length  # never decode a piece twice
    # whole storage chunks, unless the common multiple with align is out of proportion
    for chunk, piece, covered, other in zip((rows, columns), stored, covers, (1, 0), strict=True):
        across = shape[other] if covers[other] else 2 * isqrt(wanted)
        if not covered and (piece % align == 0 or lcm(piece, align) * across <= 4 * wanted):
            assert chunk % piece == 0
    # about the wanted size: over it only where a single unit is
    used = min(rows, height) * min(columns, width)
    smallest = lcm(256, align) ** 2 if all(covers) else 4 * max(wanted, 1)
    single = (ceil(min(stored[0], height) / align) * align) * (ceil(min(stored[1], width) / align) * align)
    assert used <= max(wanted, smallest, single)
    if height * width <= wanted:
        assert rows >= height
        assert columns >= width


@given(side=st.integers(3000, 100_000), piece=st.sampled_from([128, 240, 256, 512]))
def test_plan__square_and_near_the_target(side, piece):
    rows, columns = plan_chunks((side, side, 3), 1, (piece, piece), chunk_bytes=16 * MIB)
    assert 0.4 <= rows / columns <= 2.5
    if side > 10_000:
        assert rows * columns * 3 > 16 * MIB / 4


def test_plan__too_many_chunks():
    with pytest.raises(InputError, match="more than 5000000; give a larger chunk_bytes"):
        plan_chunks((10_000_000, 10_000_000, 1), 1, (256, 256), chunk_bytes=64 * 1024)


def test_plan__storage_chunks_too_large():
    with pytest.raises(InputError, match=r"50000 x 50000 pixels, 7.0 GiB.*store it again in smaller"):
        plan_chunks((50_000, 50_000, 3), 1, (50_000, 50_000), chunk_bytes=MIB)
    # a storage chunk that reaches past the image decodes to no more than what was stored
    plan_chunks((1000, 1000, 3), 1, (50_000, 50_000), chunk_bytes=MIB)


@pytest.mark.parametrize("change", [{"chunk_bytes": 0}, {"align": 0}])
def test_plan__arguments_out_of_range(change):
    with pytest.raises(InputError, match=f"{next(iter(change))} must be 1 or more, not 0"):
        plan_chunks((10, 10, 1), 1, (10, 10), **{"chunk_bytes": MIB, **change})
