"""The interface of MiniSom: side by side with MiniSom itself, under its own unit tests, and where it is wrong."""

import copy
import itertools
import pickle
import sys
import tracemalloc
import unittest

import numpy as np
import pytest

import dasksom.minisom
from dasksom.errors import InputError
from dasksom.minisom import MiniSom
from dasksom.minisom.activation import DISTANCES
from dasksom.minisom.decays import LEARNING_RATE_DECAYS, SIGMA_DECAYS
from dasksom.minisom.neighborhood import ONLINE_NEIGHBORHOODS

minisom = pytest.importorskip("minisom")
RIGHT_DISTANCES = [name for name in DISTANCES if name != "chebyshev"]
OWN_TESTS = unittest.defaultTestLoader.getTestCaseNames(minisom.TestMinisom)
NOT_OURS = {
    "test_use_epochs_variables": "of a private function that builds the order of all epochs in memory: ours does not"
}


def pair(x, y, bands, **options):
    """MiniSom's map and ours, with the same seed."""
    options = {"random_seed": 5, "sigma": 2, **options}
    return minisom.MiniSom(x, y, bands, **options), MiniSom(x, y, bands, **options)


@pytest.fixture
def samples():
    return np.random.default_rng(0).random((70, 4))


@pytest.fixture
def maps(samples):
    """MiniSom's trained map and ours with its weights."""
    theirs, ours = pair(6, 5, 4)
    theirs.train(samples, 100)
    ours._weights = theirs._weights.copy()
    return theirs, ours


# ---- the same numbers as MiniSom


@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
@pytest.mark.parametrize("neighborhood", ONLINE_NEIGHBORHOODS)
@pytest.mark.parametrize("distance", RIGHT_DISTANCES)
@pytest.mark.filterwarnings("ignore:triangle|the triangle")
def test_train__gives_minisoms_weights(samples, topology, neighborhood, distance):
    rate = 0.1 if neighborhood == "triangle" else 0.5
    theirs, ours = pair(
        5, 6, 4, learning_rate=rate, topology=topology, neighborhood_function=neighborhood, activation_distance=distance
    )
    assert np.array_equal(ours._weights, theirs._weights)
    for som in (theirs, ours):
        som.train(samples, 100)
        som.train_random(samples, 50)
        som.train(samples, 2, use_epochs=True, random_order=True, fixed_points={3: (1, 2), 60: (4, 5)})
    assert np.allclose(ours._weights, theirs._weights, rtol=1e-9, atol=1e-12)
    if topology == "rectangular" and neighborhood == "gaussian":
        assert np.array_equal(ours._weights, theirs._weights)


@pytest.mark.parametrize("decay", [*LEARNING_RATE_DECAYS, lambda rate, t, total: rate * 0.9**t + 0 * total])
@pytest.mark.parametrize("sigma_decay", SIGMA_DECAYS)
@pytest.mark.parametrize("use_epochs", [False, True])
def test_train__decays_as_minisom_does(samples, decay, sigma_decay, use_epochs):
    theirs, ours = pair(4, 7, 4, sigma=3, decay_function=decay, sigma_decay_function=sigma_decay)
    for som in (theirs, ours):
        som.train(samples, 5 if use_epochs else 200, use_epochs=use_epochs)
    assert np.array_equal(ours._weights, theirs._weights)


@pytest.mark.parametrize(("x", "y", "bands"), [(1, 1, 3), (1, 7, 1), (9, 8, 3), (9, 8, 13), (4, 5, 40)])
def test_train__any_shape(x, y, bands):
    draw = np.random.default_rng(1)
    data = draw.normal(size=(700, bands))
    theirs, ours = pair(x, y, bands, sigma=1)
    for som in (theirs, ours):
        som.train_random(data, 1500)
    assert np.array_equal(ours._weights, theirs._weights)


def test_train__small_sigmas_reach_few_units_but_change_no_number(samples):
    theirs, ours = pair(20, 3, 4, sigma=0.7)
    for som in (theirs, ours):
        som.train(samples, 300)
    assert np.array_equal(ours._weights, theirs._weights)


@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
@pytest.mark.parametrize("neighborhood", ["gaussian", "bubble", "triangle"])
@pytest.mark.parametrize("distance", RIGHT_DISTANCES)
@pytest.mark.filterwarnings("ignore:triangle|the triangle")
def test_train_batch_offline__gives_minisoms_weights(samples, topology, neighborhood, distance):
    theirs, ours = pair(
        5, 6, 4, topology=topology, neighborhood_function=neighborhood, activation_distance=distance, learning_rate=1.0
    )
    for som in (theirs, ours):
        som.train_batch_offline(samples, 4)
    assert np.allclose(ours._weights, theirs._weights, rtol=1e-9, atol=1e-12)


@pytest.mark.filterwarnings("ignore:triangle|the triangle")
def test_training__every_combination_of_options_gives_minisoms_weights(samples):
    options = {
        "neighborhood_function": ONLINE_NEIGHBORHOODS,
        "topology": ("rectangular", "hexagonal"),
        "activation_distance": RIGHT_DISTANCES,
        "decay_function": LEARNING_RATE_DECAYS,
        "sigma_decay_function": SIGMA_DECAYS,
    }
    for chosen in itertools.product(*options.values()):
        named = dict(zip(options, chosen, strict=True))
        soms = pair(3, 4, 4, learning_rate=0.2, **named)
        for som in soms:
            som.train_random(samples, 30)
            som.train_batch(samples, 10)
            som.train(samples[:5], 2, random_order=True, use_epochs=True, fixed_points={2: (1, 3)})
            if named["neighborhood_function"] != "mexican_hat":  # its denominators come near 0 and amplify rounding
                som.train_batch_offline(samples[:20], 2)
        theirs, ours = (som._weights for som in soms)
        assert np.allclose(ours, theirs, rtol=1e-9, atol=1e-12), named


KINDS = {
    "array": np.asarray,
    "lists": lambda rows: rows.tolist(),
    "list of arrays": list,
    "tuple of tuples": lambda rows: tuple(map(tuple, rows.tolist())),
    "float32": lambda rows: rows.astype(np.float32),
    "float16": lambda rows: rows.astype(np.float16),
    "uint8": lambda rows: (rows * 255).astype(np.uint8),
    "int64, another order": lambda rows: np.asfortranarray((rows * 1000).astype(np.int64)),
    "a view backwards": lambda rows: rows[::-1, ::-1],
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_training__takes_minisoms_kinds_of_data(samples, kind):
    theirs, ours = pair(3, 4, 4)
    for som in (theirs, ours):
        som.train(kind(samples), 100)
        som.random_weights_init(kind(samples))
        som.train_random(kind(samples), 100)
    assert np.array_equal(ours._weights, theirs._weights)
    for som in (theirs, ours):
        som.train_batch_offline(kind(samples), 2)
    assert np.allclose(ours._weights, theirs._weights, rtol=1e-9)
    for som in (theirs, ours):
        som.pca_weights_init(kind(samples))
    assert np.allclose(ours._weights, theirs._weights, rtol=1e-2)  # MiniSom's mean of float16 is a float16


def test_training__leaves_read_only_data_alone(samples):
    samples.flags.writeable = False
    theirs, ours = pair(3, 4, 4)
    for som in (theirs, ours):
        som.train(samples, 100)
    assert np.array_equal(ours._weights, theirs._weights)
    assert ours.win_map(samples).keys() == theirs.win_map(samples).keys()


@pytest.mark.parametrize("name", ["sum", "mean"])
@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
@pytest.mark.parametrize("shape", [(6, 5), (5, 6), (1, 4)])
def test_distance_map__is_minisoms(name, topology, shape):
    theirs, ours = pair(*shape, 4, topology=topology)
    assert np.allclose(ours.distance_map(scaling=name), theirs.distance_map(scaling=name), rtol=1e-12)


@pytest.mark.parametrize(
    ("method", "extra"),
    [
        ("quantization", ()),
        ("quantization_error", ()),
        ("topographic_error", ()),
        ("distortion_measure", ()),
        ("activation_response", ()),
        ("win_map", (True,)),
        ("labels_map", (list("abcdefg") * 10,)),
        ("_distance_from_weights", ()),
    ],
)
@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
@pytest.mark.parametrize("distance", RIGHT_DISTANCES)
def test_methods_of_a_whole_table__are_minisoms(samples, method, extra, topology, distance):
    theirs, ours = pair(6, 5, 4, topology=topology, activation_distance=distance)
    theirs.train(samples, 100)
    ours._weights = theirs._weights
    found, expected = getattr(ours, method)(samples, *extra), getattr(theirs, method)(samples, *extra)
    if isinstance(expected, dict):
        assert found == expected
        assert list(found) == list(expected)
        assert found[(99, 99)] == []
    else:
        assert np.allclose(found, expected, rtol=1e-9, atol=1e-7)  # theirs cancels


def test_win_map__holds_the_samples_themselves(samples, maps):
    theirs, ours = (som.win_map(samples) for som in maps)
    assert theirs.keys() == ours.keys()
    assert all(np.array_equal(ours[position], theirs[position]) for position in theirs)
    assert all(sample.base is samples for members in ours.values() for sample in members)


def test_methods_of_one_sample__are_minisoms(samples, maps):
    theirs, ours = maps
    for x in (samples[3], samples[3].tolist()):
        assert np.array_equal(ours.activate(x), theirs.activate(x))
        assert np.array_equal(ours._activation_map, theirs._activation_map)
        assert ours.winner(x) == theirs.winner(x)
    for som in maps:
        som.update(samples[3], (2, 3), 7, 100)
    assert np.array_equal(ours.get_weights(), theirs.get_weights())


@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
@pytest.mark.parametrize("neighborhood", ["gaussian", "mexican_hat", "bubble", "triangle"])
@pytest.mark.filterwarnings("ignore:triangle|the triangle")
def test_neighborhood__is_minisoms(topology, neighborhood):
    theirs, ours = pair(5, 6, 4, topology=topology, neighborhood_function=neighborhood)
    for winner in np.ndindex(5, 6):
        assert np.allclose(ours.neighborhood(winner, 1.5), theirs.neighborhood(winner, 1.5), atol=1e-15)
        assert ours.convert_map_to_euclidean(winner) == theirs.convert_map_to_euclidean(winner)
    assert np.array_equal(ours.get_euclidean_coordinates(), theirs.get_euclidean_coordinates())
    assert ours.topology == topology


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bands", [2, 5])
def test_initializations__are_minisoms(seed, bands):
    data = np.random.default_rng(seed).normal(size=(40, bands)) * np.arange(1, bands + 1)
    theirs, ours = pair(4, 3, bands, random_seed=seed)
    for som in (theirs, ours):
        som.pca_weights_init(data)
    assert np.allclose(ours._weights, theirs._weights, rtol=1e-9)
    for som in (theirs, ours):
        som.random_weights_init(data)
    assert np.array_equal(ours._weights, theirs._weights)
    assert ours._random_generator.randint(1 << 30) == theirs._random_generator.randint(1 << 30)


def test_verbose__prints_what_minisom_prints_at_start_and_end(samples, capsys, monkeypatch):
    monkeypatch.setattr(minisom, "stdout", sys.stdout)  # which it took before capsys came
    for train in ("train_random", "train_batch_offline"):
        lines = []
        for som in pair(3, 3, 4):
            getattr(som, train)(samples, 250, verbose=True)
            lines.append(capsys.readouterr().out.replace("\n", "\r").split("\r"))
        theirs, ours = lines
        assert ours[1] == theirs[1]
        assert ours[-2:] == theirs[-2:]
        assert [line for line in ours if line.startswith(" [ 250 / 250 ] 100% - 0:00:00 left ")]


# ---- MiniSom's own unit tests


def test_minisoms_own_tests__are_left_out_by_name_only():
    assert len(OWN_TESTS) == 44
    assert set(NOT_OURS) < set(OWN_TESTS)


@pytest.mark.parametrize("name", OWN_TESTS)
def test_minisoms_own_tests(name, monkeypatch, tmp_path):
    if name in NOT_OURS:
        pytest.skip(NOT_OURS[name])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(minisom, "MiniSom", MiniSom)
    monkeypatch.setattr(minisom, "fast_norm", dasksom.minisom.fast_norm)
    result = minisom.TestMinisom(name).run()
    assert result.testsRun == 1
    assert not result.errors + result.failures


# ---- where MiniSom is wrong


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i8", "?", "f2"])
def test_integer_samples_do_not_overflow(dtype):
    data = np.random.default_rng(0).integers(0, 120, (200, 3)).astype(dtype)
    narrow, wide = MiniSom(3, 3, 3, random_seed=1), MiniSom(3, 3, 3, random_seed=1)
    for som, rows in ((narrow, data), (wide, data.astype(float))):
        som.random_weights_init(rows)
        som.train_random(rows, 300)
        som.train_batch_offline(rows, 2)
    assert np.array_equal(narrow._weights, wide._weights)
    assert np.array_equal(narrow.quantization(data), wide.quantization(data.astype(float)))
    assert narrow.quantization_error(data) == wide.quantization_error(data.astype(float))
    assert narrow.topographic_error(data) == wide.topographic_error(data.astype(float))


def test_quantization__of_uint8_is_right_where_minisoms_is_wrong():
    theirs, ours = pair(2, 1, 1, sigma=1)
    theirs._weights = np.array([[[120.0]], [[250.0]]])
    ours._weights = theirs._weights
    data = np.array([[250]], np.uint8)
    assert ours.quantization(data).tolist() == [[250.0]]
    assert theirs.quantization(data).tolist() == [[120.0]]  # 250 squared is 36 in uint8
    assert ours._distance_from_weights(data).tolist() == [[130.0, 0.0]]


def test_chebyshev__is_the_largest_absolute_difference():
    som = MiniSom(1, 2, 2, activation_distance="chebyshev", random_seed=1)
    som._weights = np.array([[[9.0, 9.0], [2.0, 1.0]]])
    assert som.activate([0, 0]).tolist() == [[9.0, 2.0]]
    assert som.winner([0, 0]) == (0, 1)
    assert som.activation_response([[0, 0]]).tolist() == [[0, 1]]
    theirs = minisom.MiniSom(1, 2, 2, activation_distance="chebyshev")
    theirs._weights = som._weights
    assert theirs.winner([0, 0]) == (0, 0)  # -9 is less than -1


def test_chebyshev__trains_as_a_callable_does(samples):
    def largest(x, w):
        return np.abs(x - w).max(axis=-1)

    compiled = MiniSom(4, 4, 4, activation_distance="chebyshev", random_seed=1)
    called = MiniSom(4, 4, 4, activation_distance=largest, random_seed=1)
    for som in (compiled, called):
        som.train(samples, 200)
    assert np.array_equal(compiled._weights, called._weights)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize(
    "use",
    [
        lambda som, rows: som.train(rows, 70),
        lambda som, rows: som.train_batch_offline(rows, 2),
        lambda som, rows: som.quantization(rows),
        lambda som, rows: som.quantization_error(rows),
        lambda som, rows: som.topographic_error(rows),
        lambda som, rows: som.distortion_measure(rows),
        lambda som, rows: som.activation_response(rows),
        lambda som, rows: som.win_map(rows),
        lambda som, rows: som.labels_map(rows, range(70)),
        lambda som, rows: som.pca_weights_init(rows),
    ],
)
def test_samples_that_are_not_finite_are_refused_by_number(samples, use, bad):
    samples[41, 2] = bad
    som = MiniSom(3, 3, 4, random_seed=1)
    before = som.get_weights().copy()
    with pytest.raises(InputError, match=f"sample 41 holds {bad}"):
        use(som, samples)
    assert np.array_equal(som.get_weights(), before)


def test_one_sample_that_is_not_finite_is_refused():
    som = MiniSom(3, 3, 2)
    for use in (som.winner, som.activate, lambda x: som.update(x, (0, 0), 0, 1)):
        with pytest.raises(InputError, match="nan"):
            use([1.0, np.nan])


def test_memory__does_not_grow_with_samples_times_units():
    data = np.zeros((400_000, 2), np.uint8)
    som = MiniSom(16, 16, 2, random_seed=1)
    som.quantization_error(data[:100])
    for method in (som.quantization_error, som.topographic_error, som.activation_response):
        tracemalloc.start()
        method(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 32 << 20, method  # a float64 matrix of samples x units is 820 MB


def test_distance_map__of_units_that_are_all_alike_is_0():
    som = MiniSom(3, 3, 2)
    som._weights[:] = 1
    assert not som.distance_map().any()
    assert MiniSom(1, 1, 2).distance_map(scaling="mean").tolist() == [[0]]


# ---- the weights are the user's


def test_weights__are_read_replaced_and_changed_in_place(samples):
    som = MiniSom(3, 4, 4, random_seed=1)
    held = som.get_weights()
    som.train(samples, 10)
    som.train_batch_offline(samples, 1)
    som.random_weights_init(samples)
    som.pca_weights_init(samples)
    assert held is som._weights
    som._weights[2, 3] = 5
    assert som.winner([5, 5, 5, 5]) == (2, 3)
    assert som.win_map([[5, 5, 5, 5]]).keys() == {(2, 3)}
    som._weights = np.arange(48).reshape(3, 4, 4)
    assert som.quantization([[5, 5, 6, 6]]).tolist() == [[4, 5, 6, 7]]
    som.train(samples, 10)
    assert som._weights.dtype == np.float64
    som._weights = np.zeros((3, 4, 4), np.float32)
    som.train(samples, 10)
    assert som._weights.dtype == np.float32


def test_weights__of_another_shape_are_refused(samples):
    som = MiniSom(3, 4, 4)
    som._weights = np.zeros((4, 3, 4))
    with pytest.raises(InputError, match=r"\(4, 3, 4\); this map needs \(3, 4, 4\)"):
        som.train(samples, 10)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda som: pickle.loads(pickle.dumps(som))])
@pytest.mark.parametrize("distance", DISTANCES)
def test_pickling__goes_on_where_it_was(samples, again, distance):
    som = MiniSom(3, 4, 4, activation_distance=distance, topology="hexagonal", random_seed=1)
    som.train_random(samples, 10)
    som._weights[0, 0] = 0.5
    other = again(som)
    for each in (som, other):
        each.train_random(samples, 30)
    assert np.array_equal(other._weights, som._weights)
    assert other.quantization_error(samples) == som.quantization_error(samples)


# ---- what a user brings along


def test_own_distance_and_neighborhood__are_used_throughout(samples):
    def taxi(x, w):
        return np.abs(np.subtract(x, w)).sum(axis=-1)

    theirs, ours = pair(4, 3, 4, activation_distance=taxi)
    for som in (theirs, ours):
        gaussian = som.neighborhood
        som.neighborhood = lambda winner, sigma, gaussian=gaussian: gaussian(winner, sigma) ** 2
        som.train(samples, 50)
        som.train_batch_offline(samples, 2)
    assert np.allclose(ours._weights, theirs._weights, rtol=1e-9)
    assert np.isclose(ours.distortion_measure(samples), theirs.distortion_measure(samples))
    assert np.array_equal(ours.activation_response(samples), theirs.activation_response(samples))


def test_subclasses__that_find_winners_their_own_way_are_heeded(samples):
    class Last(MiniSom):
        def winner(self, x):
            return (2, 1)

    som = Last(3, 2, 4, sigma=0.1, random_seed=1)
    before = som.get_weights().copy()
    som.train(samples, 20)
    assert np.argwhere((som.get_weights() != before).any(axis=2)).tolist() == [[2, 1]]
    assert som.activation_response(samples)[2, 1] == 70


def test_subclasses__own_neighborhoods_distances_and_decays_are_heeded(samples):
    def own(kind):
        class Own(kind):
            def _gaussian(self, c, sigma):
                return super()._gaussian(c, sigma) ** 3

            def _euclidean_distance(self, x, w):
                return np.abs(np.subtract(x, w)).sum(axis=-1)

            def _asymptotic_decay(self, value, t, total):
                return value * 0.99**t

            def update(self, x, win, t, max_iteration):
                super().update(x, win[::-1], t, max_iteration)

            def quantization(self, data):
                return super().quantization(data) + 1

        return Own

    theirs, ours = (own(kind)(4, 4, 4, sigma=2, random_seed=5) for kind in (minisom.MiniSom, MiniSom))
    for som in (theirs, ours):
        som.train(samples, 50)
        som.train_batch_offline(samples, 2)
    assert np.allclose(ours._weights, theirs._weights, rtol=1e-9)
    assert np.isclose(ours.quantization_error(samples), theirs.quantization_error(samples))


def test_methods__replaced_on_an_instance_are_heeded(samples):
    theirs, ours = pair(4, 3, 4)
    for som in (theirs, ours):
        som.winner = lambda x, som=som: (int(x[0] * 4), int(x[1] * 3))
        som.train(samples, 50)
    assert np.array_equal(ours._weights, theirs._weights)
    assert np.array_equal(ours.activation_response(samples), theirs.activation_response(samples))


def test_neighborhood__may_be_exchanged_for_another_of_the_map(samples):
    theirs, ours = pair(4, 3, 4)
    for som in (theirs, ours):
        som.neighborhood = som._bubble
        som.train(samples, 50)
    assert np.array_equal(ours._weights, theirs._weights)


# ---- misuse


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"topology": "round"}, "'rectangular', 'hexagonal'"),
        ({"neighborhood_function": "boooom"}, "'gaussian', 'mexican_hat', 'bubble', 'triangle'"),
        ({"activation_distance": "ridethewave"}, "'euclidean', 'cosine', 'manhattan', 'chebyshev'"),
        ({"activation_distance": 3}, "activation_distance 3"),
        ({"decay_function": "strawberry"}, "'asymptotic_decay'"),
        ({"sigma_decay_function": "strawberry"}, "'asymptotic_decay'"),
        ({"sigma_decay_function": max}, "'asymptotic_decay'"),
        ({"x": 0}, "x is 0"),
        ({"input_len": -1}, "input_len is -1"),
        ({"sigma": float("nan")}, "sigma is nan"),
        ({"learning_rate": "0.5"}, "learning_rate is '0.5'"),
    ],
)
def test_parameters__that_cannot_be_used(options, said):
    with pytest.raises(InputError, match=said):
        MiniSom(**{"x": 3, "y": 3, "input_len": 2, **options})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sigma": 20}, "too high"),
        ({"sigma": 1.5, "neighborhood_function": "bubble"}, "integer"),
        ({"sigma": 0.5, "neighborhood_function": "triangle"}, "integer"),
        ({"topology": "hexagonal", "neighborhood_function": "triangle"}, "hexagonal"),
    ],
)
def test_parameters__that_minisom_warns_of(options, said):
    for kind in (minisom.MiniSom, MiniSom):
        with pytest.warns(UserWarning, match=said):
            kind(5, 5, 2, **options)


def test_methods__refuse_what_minisom_refuses(samples):
    som = MiniSom(5, 5, 4)
    with pytest.raises(InputError, match="num_iteration is 0"):
        som.train(samples, 0)
    with pytest.raises(TypeError):
        som.train(samples, 1.5)
    with pytest.raises(InputError, match="num_iteration is -3"):
        som.train_batch_offline(samples, -3)
    for use in (som.quantization, som.win_map, som.random_weights_init, lambda rows: som.train(rows, 1)):
        with pytest.raises(InputError, match="2 features; this map takes 4"):
            use([[1, 2]])
    with pytest.raises(TypeError):
        som.quantization([1.0, 2.0])
    with pytest.raises(InputError, match="70 samples and 3 labels"):
        som.labels_map(samples, "abc")
    with pytest.raises(InputError, match="scaling 'puppies'"):
        som.distance_map(scaling="puppies")
    with pytest.raises(InputError, match="1 feature"):
        MiniSom(2, 2, 1).pca_weights_init([[1], [2]])
    with pytest.warns(UserWarning, match="side of 1"):
        MiniSom(1, 4, 4).pca_weights_init(samples)
    with pytest.warns(UserWarning, match="one unit"):
        assert np.isnan(MiniSom(1, 1, 4).topographic_error(samples))


@pytest.mark.parametrize(
    ("fixed", "error"),
    [
        ({0: (5, 0)}, "no unit"),
        ({70: (0, 0)}, "no sample 70"),
        ({0: (-1, 0)}, "no unit"),
        ({-1: (0, 0)}, "no sample -1"),
    ],
)
def test_fixed_points__outside_are_refused(samples, fixed, error):
    with pytest.raises(InputError, match=error):
        MiniSom(5, 5, 4).train(samples, 10, fixed_points=fixed)


# ---- the tutorial


def test_the_tutorial__step_by_step(patch):
    data = [
        [0.80, 0.55, 0.22, 0.03],
        [0.82, 0.50, 0.23, 0.03],
        [0.80, 0.54, 0.22, 0.03],
        [0.80, 0.53, 0.26, 0.03],
        [0.79, 0.56, 0.22, 0.03],
        [0.75, 0.60, 0.25, 0.03],
        [0.77, 0.59, 0.22, 0.03],
    ]
    som = MiniSom(6, 6, 4, sigma=0.3, learning_rate=0.5)
    som.train_random(data, 100)

    pixels = np.reshape(patch, (patch.shape[0] * patch.shape[1], 3))
    som = MiniSom(x=3, y=3, input_len=3, sigma=0.1, learning_rate=0.2)
    som.random_weights_init(pixels)
    starting_weights = som.get_weights().copy()
    som.train_random(pixels, 100)
    qnt = som.quantization(pixels)
    clustered = np.zeros(patch.shape)
    for i, q in enumerate(qnt):
        clustered[np.unravel_index(i, shape=(patch.shape[0], patch.shape[1]))] = q

    assert not np.array_equal(starting_weights, som.get_weights())
    assert len(np.unique(clustered.reshape(-1, 3), axis=0)) <= 9
    nearest = np.linalg.norm(pixels[:, None].astype(float) - som.get_weights().reshape(9, 3), axis=2).argmin(axis=1)
    assert np.array_equal(clustered.reshape(-1, 3), som.get_weights().reshape(9, 3)[nearest])


def test_random_seed__may_be_a_generator():
    seeded = MiniSom(3, 3, 2, random_seed=4).get_weights()
    assert np.array_equal(MiniSom(3, 3, 2, random_seed=np.random.RandomState(4)).get_weights(), seeded)
    generators = [np.random.default_rng(4), np.random.default_rng(4)]
    first, second = (MiniSom(3, 3, 2, random_seed=generator).get_weights() for generator in generators)
    assert np.array_equal(first, second)
