"""What examples/climate.rs computes, by xarray and dask.array: `python climate.py [STORE]`. The data are those of iris-sample-data.

Prints one line of JSON: the folder of the data, all numbers as computed here, and, if the example's STORE is named, as zarr reads them there.
"""
import json
import pathlib
import sys

import iris_sample_data
import numpy as np
import xarray as xr

FOLDER = pathlib.Path(iris_sample_data.path)
VARIABLES = ["anomaly", "yearly", "trend", "warmest"]


def computed(name):
    data = xr.open_dataset(FOLDER / f"{name}_north_america.nc", chunks={"time": 30}).air_temperature.astype("f8")
    data = data.assign_coords(time=data.time.dt.year.values)
    anomaly = data - data.sel(time=slice(1861, 1890)).mean("time")
    weights = np.cos(np.deg2rad(data.latitude.astype("f8")))
    whole = data.chunk({"time": -1})
    return {
        "anomaly": anomaly,
        "yearly": anomaly.weighted(weights).mean(["latitude", "longitude"]),
        "trend": anomaly.chunk({"time": -1}).polyfit("time", 1).polyfit_coefficients.sel(degree=1) * 10,
        "warmest": data.time[whole.argmax("time").compute()],
    }


def stored(store, name):
    return xr.open_zarr(store, group=name, consolidated=False, chunks={})


def numbers(variables):
    return {name: {"shape": variables[name].shape, "values": variables[name].values.astype("f8").ravel().tolist()} for name in VARIABLES}


scenarios = ["A1B", "E1"]
answer = {"folder": str(FOLDER), "computed": {name: numbers(computed(name)) for name in scenarios}}
if len(sys.argv) > 1:
    answer["stored"] = {name: numbers(stored(sys.argv[1], name)) for name in scenarios}
print(json.dumps(answer))
