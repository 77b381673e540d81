"""Names and shapes of a checkpoint's tensors as a short text, read by tests/support/tensor_list.hpp.

One tensor a line, "NAME [2304, 1152]"; a run of numbers in a name is "{0-27}" (both ends count), and several runs in a name are nested. Lines
that begin with '#' are comments. Lists are made from the reference's own classes, on the meta device:

    with torch.device("meta"): model = SanaTransformer2DModel(**config)
    write("x.tensors", model.state_dict(), "diffusers 0.42.1 SanaTransformer2DModel, ...")
"""
import re


def _fold(entries, position):
    """Joins names that differ only in their number at `position` (counted among the numbers of the name)."""
    groups = {}
    for pieces, shape in entries:
        if position < len(pieces) // 2 and isinstance(pieces[2 * position + 1], int):
            number = pieces[2 * position + 1]
            key = (tuple(pieces[: 2 * position + 1]), tuple(pieces[2 * position + 2 :]), shape)
            groups.setdefault(key, []).append(number)
        else:
            groups[(tuple(pieces), None, shape)] = None
    for (head, tail, shape), numbers in groups.items():
        if numbers is None:
            yield head, shape
            continue
        numbers.sort()
        while numbers:
            n = 1
            while n < len(numbers) and numbers[n] == numbers[0] + n:
                n += 1
            yield (*head, numbers[0] if n == 1 else (numbers[0], numbers[n - 1]), *tail), shape
            numbers = numbers[n:]


def lines(tensors):
    """tensors: name -> tensor or shape."""
    entries = []
    for name, value in tensors.items():
        pieces = re.split(r"(?<![0-9A-Za-z_])(\d+)(?![0-9A-Za-z_])", name)
        pieces[1::2] = map(int, pieces[1::2])
        entries.append((tuple(pieces), tuple(getattr(value, "shape", value))))
    for position in range(max(len(p) // 2 for p, _ in entries)):
        entries = list(_fold(entries, position))
    text = lambda p: p if isinstance(p, str) else str(p) if isinstance(p, int) else "{%d-%d}" % p
    return sorted("".join(map(text, pieces)) + " " + str(list(shape)) for pieces, shape in entries)


def write(path, tensors, comment):
    count = sum(1 for _ in tensors)
    numbers = 0
    for value in tensors.values():
        product = 1
        for size in getattr(value, "shape", value):
            product *= size
        numbers += product
    with open(path, "w") as f:
        f.write(f"# {comment}: {count} tensors, {numbers} numbers\n" + "\n".join(lines(tensors)) + "\n")
