//! 240 years of surface temperature over North America, in two scenarios: NetCDF in, Zarr out, one picture.
//! `cargo run --release --features zarr,hdf5,figures --example climate FOLDER [climate.zarr] [climate.png]`
//!
//! The folder holds `A1B_north_america.nc` and `E1_north_america.nc` of the Python package iris-sample-data: `pip download --no-deps iris-sample-data`, and unzip what comes.

use std::error::Error;
use std::path::Path;

use arras::array::ndarray::{Array1, Array2, ArrayView2, Axis, Ix1, Ix2};
use arras::array::{Dataset, ZarrSink};
use arras::prelude::*;

/// The years that others are compared with.
const BASE: std::ops::RangeInclusive<f64> = 1861.0..=1890.0;

/// What is known of a scenario.
struct Scenario {
    name: &'static str,
    years: Array1<f64>,
    latitude: Array1<f64>,
    longitude: Array1<f64>,
    /// Degrees above the mean of the base years, in each year.
    yearly: Array1<f64>,
    /// Degrees a decade, at each place.
    trend: Array2<f64>,
    /// The warmest year, at each place.
    warmest: Array2<f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder are the NetCDF files in?")?;
    let store = arguments.next().unwrap_or_else(|| "climate.zarr".into());
    let picture = arguments.next().unwrap_or_else(|| "climate.png".into());
    run(Path::new(&folder), Path::new(&store), Path::new(&picture))?;
    println!("numbers in {store}, picture in {picture}");
    Ok(())
}

/// Reads the files of a folder, and writes a Zarr group for each scenario and one picture.
pub fn run(folder: &Path, store: &Path, picture: &Path) -> Result<(), Box<dyn Error>> {
    let mut scenarios = Vec::new();
    for name in ["A1B", "E1"] {
        let scenario = scenario(name, &folder.join(format!("{name}_north_america.nc")), store)?;
        let last = scenario.yearly.len() - 1;
        let warmest = (0..=last).max_by(|&a, &b| scenario.yearly[a].total_cmp(&scenario.yearly[b])).unwrap_or(last);
        println!(
            "{name:>3}: {:+.2} K in {}, {:+.3} K a decade on average, warmest year {}",
            scenario.yearly[last],
            scenario.years[last],
            scenario.trend.mean().unwrap_or(f64::NAN),
            scenario.years[warmest],
        );
        scenarios.push(scenario);
    }
    figure::draw(&scenarios, picture)
}

fn scenario(name: &'static str, file: &Path, store: &Path) -> Result<Scenario, Box<dyn Error>> {
    let sink = |variable: &str| -> Result<ZarrSink, Box<dyn Error>> {
        Ok(ZarrSink::at(store)?.path(&format!("{name}/{variable}")).overwrite(true))
    };
    let coordinate = |variable: &str| -> Result<Array1<f64>, Box<dyn Error>> {
        Ok(Dataset::open_netcdf(file, variable)?.decoded(Chunks::one())?.compute()?.into_dimensionality::<Ix1>()?)
    };
    // "hours since 1970-01-01", in years of 360 days.
    let years = coordinate("time")?.mapv(|hours| (1970.0 + hours / 24.0 / 360.0).floor());
    let (latitude, longitude) = (coordinate("latitude")?, coordinate("longitude")?);

    // Into Zarr, in chunks of thirty years, with the attributes that it has here.
    let source = Dataset::open_netcdf(file, "air_temperature")?;
    let mut temperature = sink("air_temperature")?.dimension_names(["time", "latitude", "longitude"]);
    for (attribute, value) in source.attributes() {
        temperature = temperature.attribute(attribute, value.clone());
    }
    source.read::<f32>([30, 37, 49])?.store(temperature).compute()?;

    // From here on all is computed from there, block by block.
    let temperature = Array::<f32>::from_zarr(store.join(name).join("air_temperature"), Chunks::auto())?.rechunk([60, 37, 25]);
    let kelvin = temperature.cast::<f64>();
    let position = |year: f64| years.iter().position(|&y| y == year).ok_or("the base years are not in the file");
    let (first, last) = (position(*BASE.start())?, position(*BASE.end())?);
    let anomaly = &kelvin - kelvin.slice(s![first..=last, .., ..]).mean_axis(Axes::from(0).keepdims());

    // Degrees of longitude shrink towards the pole.
    let weights = latitude.mapv(|degrees| degrees.to_radians().cos());
    let total = weights.sum() * longitude.len() as f64;
    let weights = Array::from_ndarray(weights.insert_axis(Axis(1)), Chunks::one())?;
    let yearly = (&anomaly * &weights).sum_axis([1, 2]) / total;

    // Least squares: the slope is the mean product with the years, both about their means, over the years' variance.
    let centred = &years - years.mean().unwrap_or(f64::NAN);
    let scale = centred.mapv(|year| year * year).sum() / 10.0;
    let centred = Array::from_ndarray(centred.into_shape_with_order((years.len(), 1, 1))?, Chunks::one())?;
    let trend = (&anomaly * &centred).sum_axis(0) / scale;
    let warmest = temperature.argmax_axis(0).cast::<f64>() + years[0];

    let names = ["latitude", "longitude"];
    anomaly.store(sink("anomaly")?.dimension_names(["time", "latitude", "longitude"]).attribute("units", "K")).compute()?;
    yearly.store(sink("yearly")?.dimension_names(["time"]).attribute("units", "K")).compute()?;
    trend.store(sink("trend")?.dimension_names(names).attribute("units", "K / decade")).compute()?;
    warmest.store(sink("warmest")?.dimension_names(names).attribute("units", "year")).compute()?;
    Ok(Scenario {
        name,
        yearly: yearly.compute()?.into_dimensionality::<Ix1>()?,
        trend: trend.compute()?.into_dimensionality::<Ix2>()?,
        warmest: warmest.compute()?.into_dimensionality::<Ix2>()?,
        years,
        latitude,
        longitude,
    })
}

mod figure {
    use plotters::prelude::*;
    use plotters::style::FontStyle;

    use super::{ArrayView2, BASE, Error, Path, Scenario};

    const INK: RGBColor = RGBColor(40, 44, 52);
    const QUIET: RGBColor = RGBColor(150, 155, 165);
    const LINES: [RGBColor; 2] = [RGBColor(196, 60, 44), RGBColor(38, 110, 168)];

    /// The years' means of all scenarios above, the maps of trend and warmest year below.
    pub(super) fn draw(scenarios: &[Scenario], path: &Path) -> Result<(), Box<dyn Error>> {
        // A font that is part of the program: not every machine has one.
        let register = plotters::style::register_font("sans-serif", FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT);
        register.map_err(|_| "a font that is none")?;
        let root = BitMapBackend::new(path, (1400, 1250)).into_drawing_area();
        root.fill(&WHITE)?;
        let root = root.margin(16, 16, 24, 24);
        let (above, below) = root.split_vertically(470);
        lines(&above, scenarios)?;
        let rows = below.split_evenly((2, 2));
        let trends = range(scenarios.iter().map(|scenario| scenario.trend.view()));
        let years = range(scenarios.iter().map(|scenario| scenario.warmest.view()));
        for (column, scenario) in scenarios.iter().enumerate() {
            let title = format!("{}: trend, K per decade", scenario.name);
            map(&rows[column], scenario, scenario.trend.view(), trends, &title, 2)?;
            let title = format!("{}: warmest year", scenario.name);
            map(&rows[2 + column], scenario, scenario.warmest.view(), years, &title, 0)?;
        }
        root.present()?;
        Ok(())
    }

    type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

    fn range<'a>(maps: impl Iterator<Item = ArrayView2<'a, f64>>) -> (f64, f64) {
        maps.fold((f64::INFINITY, f64::NEG_INFINITY), |range, map| map.iter().fold(range, |(low, high), &x| (low.min(x), high.max(x))))
    }

    fn lines(area: &Area<'_>, scenarios: &[Scenario]) -> Result<(), Box<dyn Error>> {
        let (first, last) = (scenarios[0].years[0], scenarios[0].years[scenarios[0].years.len() - 1]);
        let (low, high) = range(scenarios.iter().map(|scenario| scenario.yearly.view().insert_axis(super::Axis(0))));
        let title = format!("Surface temperature over North America against the mean of {:.0} to {:.0}", BASE.start(), BASE.end());
        let mut chart = ChartBuilder::on(area)
            .caption(title, ("sans-serif", 28).into_font().color(&INK))
            .margin(8)
            .x_label_area_size(36)
            .y_label_area_size(64)
            .build_cartesian_2d(first..last + 1.0, low - 0.2..high + 0.3)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(QUIET.mix(0.3))
            .axis_style(QUIET)
            .x_label_formatter(&|year| format!("{year:.0}"))
            .y_label_formatter(&|kelvin| if kelvin.abs() < 0.5 { "0 K".to_owned() } else { format!("{kelvin:+.0} K") })
            .label_style(("sans-serif", 20).into_font().color(&INK))
            .draw()?;
        for (scenario, colour) in scenarios.iter().zip(LINES) {
            let points = scenario.years.iter().copied().zip(scenario.yearly.iter().copied());
            let line = chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
            line.label(scenario.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 28, y)], colour.stroke_width(3)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .margin(16)
            .label_font(("sans-serif", 22).into_font().color(&INK))
            .border_style(TRANSPARENT)
            .draw()?;
        Ok(())
    }

    /// Cells of a map as colours, with a scale beside it.
    fn map(
        area: &Area<'_>,
        scenario: &Scenario,
        cells: ArrayView2<'_, f64>,
        (low, high): (f64, f64),
        title: &str,
        digits: usize,
    ) -> Result<(), Box<dyn Error>> {
        let colour = |x: f64| ViridisRGB.get_color_normalized(x, low, high);
        let (area, scale) = area.split_horizontally(area.dim_in_pixel().0 - 96);
        let (south, north) = (scenario.latitude[0], scenario.latitude[scenario.latitude.len() - 1]);
        // West of Greenwich, as people in North America say it.
        let west = |longitude: f64| longitude - 360.0;
        let (first, last) = (west(scenario.longitude[0]), west(scenario.longitude[scenario.longitude.len() - 1]));
        let step = |axis: &super::Array1<f64>| (axis[1] - axis[0]) / 2.0;
        let (half_x, half_y) = (step(&scenario.longitude), step(&scenario.latitude));
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 24).into_font().color(&INK))
            .margin(8)
            .x_label_area_size(30)
            .y_label_area_size(56)
            .build_cartesian_2d(first - half_x..last + half_x, south - half_y..north + half_y)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .axis_style(QUIET)
            .x_labels(5)
            .y_labels(5)
            .x_label_formatter(&|degrees| format!("{:.0}° W", -degrees))
            .y_label_formatter(&|degrees| format!("{degrees:.0}° N"))
            .label_style(("sans-serif", 18).into_font().color(&INK))
            .draw()?;
        chart.draw_series(cells.indexed_iter().map(|((row, column), &x)| {
            let (at_x, at_y) = (west(scenario.longitude[column]), scenario.latitude[row]);
            Rectangle::new([(at_x - half_x, at_y - half_y), (at_x + half_x, at_y + half_y)], colour(x).filled())
        }))?;
        let (_, height) = scale.dim_in_pixel();
        let (top, bottom) = (48, height as i32 - 44);
        for y in top..bottom {
            let x = high - (high - low) * f64::from(y - top) / f64::from(bottom - top);
            scale.draw(&Rectangle::new([(4, y), (24, y + 1)], colour(x).filled()))?;
        }
        for i in 0..=4 {
            let share = f64::from(i) / 4.0;
            let y = bottom - (f64::from(bottom - top) * share) as i32;
            let text = format!("{:.digits$}", low + (high - low) * share);
            scale.draw(&Text::new(text, (30, y - 9), ("sans-serif", 18).into_font().color(&INK)))?;
        }
        Ok(())
    }
}
