//! The plot of the results, as SVG: a row for each server; CPU time, latency and memory side by side.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::contest::{Contender, Contest};
use crate::machine;
use crate::peer::Peer;
use crate::report::megabytes;
use crate::statistics::Spread;

const WIDTH: u32 = 960;
/// Above the rows: title, machine, and the titles of the columns.
const HEAD_HEIGHT: u32 = 96;
const ROW_HEIGHT: u32 = 30;
/// Below the rows: the figures of the axes.
const AXIS_HEIGHT: u32 = 34;
/// Where the columns end: names, CPU time, latency; memory has the rest.
const COLUMN_ENDS: [i32; 3] = [216, 500, 770];
/// Of its row, on each side of its middle.
const BAR: f64 = 0.3;

type Column<'a, X> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, RangedCoordf64>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A colour on a light background, and the one that takes its place on a dark one.
struct Colour(RGBColor, &'static str);

const BACKGROUND: Colour = Colour(RGBColor(255, 255, 255), "#0d1117");
const TEXT: Colour = Colour(RGBColor(31, 35, 40), "#e6edf3");
const LINES: Colour = Colour(RGBColor(209, 217, 224), "#30363d");
const OTHERS: Colour = Colour(RGBColor(140, 149, 159), "#848d97");
const NEBULINK: Colour = Colour(RGBColor(9, 105, 218), "#4493f8");

/// Draws it into a file.
pub(crate) fn draw(contest: &Contest, file: &Path) -> Result<()> {
    let rows = u32::try_from(contest.contenders.len())?;
    let mut svg = String::new();
    {
        let size = (WIDTH, HEAD_HEIGHT + rows * ROW_HEIGHT + AXIS_HEIGHT);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        area.fill(&BACKGROUND.0)?;
        area.draw(&Text::new("What a cached redirect costs on one core", (16, 12), font(21)))?;
        area.draw(&Text::new(machine::description(), (16, 40), font(16)))?;

        let (names, rest) = area.split_horizontally(COLUMN_ENDS[0]);
        let (cpu, rest) = rest.split_horizontally(COLUMN_ENDS[1] - COLUMN_ENDS[0]);
        let (latency, memory) = rest.split_horizontally(COLUMN_ENDS[2] - COLUMN_ENDS[1]);
        draw_names(&names, contest)?;
        draw_cpu_time(&cpu, contest)?;
        draw_latency(&latency, contest)?;
        draw_memory(&memory, contest)?;
        area.present()?;
    }
    fs::write(file, with_dark_colours(&svg)).with_context(|| format!("{} cannot be written", file.display()))
}

fn draw_names(area: &Area<'_>, contest: &Contest) -> Result<()> {
    for (place, contender) in (0..).zip(&contest.contenders) {
        let middle = HEAD_HEIGHT + place * ROW_HEIGHT + ROW_HEIGHT / 2;
        let style = font(16).pos(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(contender.peer.name(), (COLUMN_ENDS[0] - 8, i32::try_from(middle)?), style))?;
    }
    Ok(())
}

/// Bars with the lowest and the highest round, and the ratio to nginx behind them.
fn draw_cpu_time(area: &Area<'_>, contest: &Contest) -> Result<()> {
    let costs: Vec<_> = contest.contenders.iter().map(Contender::cost).collect::<Result<_>>()?;
    let most = costs.iter().map(|cost| cost.highest).fold(0.0, f64::max);
    let mut column = column(area, contest, "CPU in µs; ratio to nginx, return 302", 0.0..most * 1.25)?;
    for ((middle, contender), Spread { lowest, median, highest }) in rows(contest).zip(costs) {
        bar(&mut column, middle, contender, median)?;
        column.draw_series([PathElement::new([(lowest, middle), (highest, middle)], TEXT.0)])?;
        let ratio = contest.ratio(contender.peer, Peer::Nginx)?;
        let ratio = ratio.map_or(String::new(), |ratio| format!("{:.2}", ratio.median));
        label(&mut column, middle, highest, ratio)?;
    }
    Ok(())
}

/// Points for the percentiles on a logarithmic axis.
fn draw_latency(area: &Area<'_>, contest: &Contest) -> Result<()> {
    let of_all: Vec<_> = contest.contenders.iter().map(Contender::latency).collect::<Result<_>>()?;
    let medians = of_all.iter().flatten().map(|spread| spread.median);
    let (least, most) =
        medians.fold((f64::MAX, 0.0), |(least, most), value| (value.min(least), value.max(most)));
    let title = format!("p50, p99, p99.9 in ms at {:.0} requests/s", contest.rate);
    let axis = (decade(least.log10().floor())..decade(most.log10().ceil())).log_scale();
    let mut column = column(area, contest, &title, axis)?;
    for ((middle, contender), percentiles) in rows(contest).zip(of_all) {
        let points: Vec<_> = percentiles.iter().map(|spread| (spread.median, middle)).collect();
        let colour = colour_of(contender);
        column.draw_series([PathElement::new(points.clone(), colour)])?;
        column.draw_series(points.into_iter().map(|point| Circle::new(point, 4, colour.filled())))?;
    }
    Ok(())
}

fn draw_memory(area: &Area<'_>, contest: &Contest) -> Result<()> {
    let of = |contender: &Contender| megabytes(contender.memory_after_load);
    let most = contest.contenders.iter().map(of).fold(0.0, f64::max);
    let mut column = column(area, contest, "memory, MB", 0.0..most * 1.4)?;
    for (middle, contender) in rows(contest) {
        bar(&mut column, middle, contender, of(contender))?;
        label(&mut column, middle, of(contender), format!("{:.0}", of(contender)))?;
    }
    Ok(())
}

/// A column with its title and its axis; its rows are counted from below.
fn column<'a, X>(
    area: &Area<'a>,
    contest: &Contest,
    title: &str,
    axis: X,
) -> Result<Column<'a, X::CoordDescType>>
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64>,
{
    area.draw(&Text::new(title, (0, i32::try_from(HEAD_HEIGHT)? - 22), font(14)))?;
    let height = f64::from(u32::try_from(contest.contenders.len())?);
    let mut builder = ChartBuilder::on(area);
    builder.margin_top(HEAD_HEIGHT).margin_right(24).x_label_area_size(AXIS_HEIGHT);
    let mut column = builder.build_cartesian_2d(axis, 0.0..height)?;
    let mut mesh = column.configure_mesh();
    mesh.disable_y_mesh().disable_y_axis().y_labels(0).x_labels(5).x_max_light_lines(0);
    mesh.axis_style(LINES.0).bold_line_style(LINES.0).label_style(font(14));
    mesh.x_label_formatter(&|value| value.to_string()).draw()?;
    Ok(column)
}

/// The servers, each with the middle of its row.
fn rows(contest: &Contest) -> impl Iterator<Item = (f64, &Contender)> {
    let middles = (0_u32..).map(|row| f64::from(row) + 0.5);
    let mut rows: Vec<_> = middles.zip(contest.contenders.iter().rev()).collect();
    rows.reverse();
    rows.into_iter()
}

fn bar(
    column: &mut Column<'_, RangedCoordf64>,
    middle: f64,
    contender: &Contender,
    length: f64,
) -> Result<()> {
    let corners = [(0.0, middle - BAR), (length, middle + BAR)];
    column.draw_series([Rectangle::new(corners, colour_of(contender).filled())])?;
    Ok(())
}

/// A text to the right of a place.
fn label(column: &mut Column<'_, RangedCoordf64>, middle: f64, place: f64, text: String) -> Result<()> {
    let style = font(15).pos(Pos::new(HPos::Left, VPos::Center));
    let text = EmptyElement::at((place, middle)) + Text::new(text, (6, 0), style);
    column.draw_series([text])?;
    Ok(())
}

fn colour_of(contender: &Contender) -> RGBColor {
    if contender.peer.is_nebulink() { NEBULINK.0 } else { OTHERS.0 }
}

fn font(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&TEXT.0)
}

fn decade(exponent: f64) -> f64 {
    10_f64.powf(exponent)
}

/// A browser chooses the colours as its user has set it, also for an image within a page.
fn with_dark_colours(svg: &str) -> String {
    let rules =
        [BACKGROUND, TEXT, LINES, OTHERS, NEBULINK].map(|Colour(RGBColor(red, green, blue), dark)| {
            let light = format!("#{red:02X}{green:02X}{blue:02X}");
            format!("[fill=\"{light}\"]{{fill:{dark}}}[stroke=\"{light}\"]{{stroke:{dark}}}")
        });
    let style = format!(">\n<style>@media (prefers-color-scheme:dark){{{}}}</style>", rules.concat());
    svg.replacen('>', &style, 1)
}
