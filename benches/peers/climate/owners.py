"""What zarr-python and Dask read of what arras wrote: `python owners.py FOLDER`. Prints one line of JSON: all numbers of each array, and its attributes."""
import json
import pathlib
import sys

import dask.array as da
import numpy as np
import zarr

folder = pathlib.Path(sys.argv[1])
answer = {}
for path in sorted(folder.iterdir()):
    if path.name.endswith(".zarr"):
        array = zarr.open_array(path, mode="r")
        values, more = array[...], {"attributes": dict(array.attrs), "chunks": array.chunks}
    elif path.name.endswith(".npy"):
        values, more = np.load(path), {}
    else:
        array = da.from_npy_stack(str(path))
        values, more = array.compute(), {"chunks": array.chunks}
    flat = np.ascontiguousarray(values).ravel()
    flat = flat.view(values.real.dtype) if values.dtype.kind == "c" else flat
    answer[path.name] = {"dtype": str(values.dtype), "shape": values.shape, "values": flat.astype("f8").tolist(), **more}
print(json.dumps(answer))
