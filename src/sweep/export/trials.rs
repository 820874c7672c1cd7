//! The trials of a search on the page: what was found, a plot, a table and the importance of the fields.

use html_escape::encode_text as text;

use crate::sweep::search::{SearchTrace, TrialRow};

/// Width and height of the plot in its own units.
const PLOT: [f64; 2] = [600.0, 160.0];
/// Space for the axes.
const MARGIN: f64 = 34.0;

/// The section of a search.
pub(super) fn section(trace: &SearchTrace) -> String {
    let [first, second] = trace.search.goal.columns();
    let rows: String = trace.trials.iter().map(|trial| row(trace, trial)).collect();
    format!(
        "<section id=\"trials\"><h2>Search for the {}</h2><p>{}</p>\n{}<table><thead><tr><th>Trial</th>\
         <th>Settings</th><th>State</th><th>{first}</th><th>{second}</th></tr></thead>\n<tbody>{rows}</tbody></table>\n\
         {}</section>\n",
        text(&trace.goal),
        text(&trace.sentence()),
        plot(trace),
        importance(trace)
    )
}

fn row(trace: &SearchTrace, trial: &TrialRow) -> String {
    let (class, mark) = if Some(trial.number) == trace.best {
        (" class=\"best\"", " · best")
    } else if trial.satisfies == Some(false) {
        (" class=\"weak\"", "")
    } else {
        ("", "")
    };
    let (number, [first, second]) = (trial.name(), trial.values_text(trace.search.goal));
    format!(
        "<tr{class}><td>{number}{mark}</td><td>{}</td><td>{}</td><td>{first}</td><td>{second}</td></tr>\n",
        text(&trial.label),
        trial.status
    )
}

/// A dot for each trial and a line for the best one so far.
fn plot(trace: &SearchTrace) -> String {
    let goal = trace.search.goal;
    let values: Vec<_> = trace.trials.iter().filter_map(|trial| Some((trial, trial.value(goal)?))).collect();
    let most = values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let last = trace.trials.iter().map(|trial| trial.number).max().unwrap_or_default();
    if most <= 0.0 || last == 0 {
        return String::new();
    }
    let [width, height] = PLOT;
    let x = |number: usize| MARGIN + (width - 2.0 * MARGIN) * number as f64 / last as f64;
    let y = |value: f64| height - MARGIN - (height - 1.5 * MARGIN) * value / most;
    let dot = |(trial, value): &(&TrialRow, f64)| {
        let (x, y) = (x(trial.number), y(*value));
        let class = if trial.satisfies == Some(false) { "miss" } else { "fit" };
        let title = text(&trial.label);
        format!(
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{title}</title></circle>"
        )
    };
    let drawn = values.iter().map(dot).collect::<Vec<_>>().concat();
    let best = trace.trials.iter().filter_map(|trial| Some((trial.number, trial.best_so_far?)));
    let best: Vec<_> = best.map(|(number, value)| format!("{:.1},{:.1}", x(number), y(value))).collect();
    let unit = goal.unit();
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"Trials of the search\">\
         <line x1=\"{MARGIN}\" y1=\"{bottom}\" x2=\"{right}\" y2=\"{bottom}\"/>\
         <text x=\"{MARGIN}\" y=\"{below}\">{first}</text><text x=\"{right}\" y=\"{below}\">trial {last}</text>\
         <text x=\"2\" y=\"{top:.1}\">{most:.2} {unit}</text>\
         <polyline points=\"{line}\"/>{drawn}</svg>\n<p class=\"weak\">Line: best so far. Hollow: too different.</p>\n",
        bottom = height - MARGIN,
        right = width - MARGIN,
        below = height - MARGIN / 2.0,
        top = y(most),
        first = usize::from(!trace.search.has_reference()),
        line = best.join(" "),
    )
}

/// How much each field matters.
fn importance(trace: &SearchTrace) -> String {
    let known = trace.importance.iter().map(|field| (text(&field.field), field.words()));
    let known = known.filter(|(_, parts)| !parts.is_empty());
    let items = known.map(|(field, parts)| format!("<li>{field}: {parts}</li>")).collect::<Vec<_>>().concat();
    if items.is_empty() { items } else { format!("<p>Importance of each field</p><ul>{items}</ul>\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Secs;
    use crate::metrics::DifferenceMetric;
    use crate::sweep::{FieldImportance, Goal, GuidedSearch, TrialNote};

    fn trial(number: usize, seconds: f64, difference: f64) -> TrialRow {
        let (seconds, difference) = (Some(Secs(seconds)), Some(difference));
        TrialRow {
            number,
            label: format!("steps <{number}>"),
            status: "done",
            note: TrialNote { seconds, difference, ..TrialNote::default() },
            satisfies: Some(difference >= Some(0.9)),
            stars: 0,
            best_so_far: (number > 1).then_some(1.5),
        }
    }

    #[test]
    fn the_page_has_the_trials_the_best_one_and_the_importance() {
        let goal = Goal::Fastest { metric: DifferenceMetric::Ssim, at_least: 0.9 };
        let importance = FieldImportance {
            field: "steps".into(),
            of_time: Some(0.75),
            of_difference: None,
            of_rating: None,
        };
        let trace = SearchTrace {
            goal: "fastest".into(),
            search: GuidedSearch::new(goal),
            trials: vec![trial(0, 4.0, 1.0), trial(1, 1.0, 0.5), trial(2, 1.5, 0.95)],
            best: Some(2),
            importance: vec![importance],
        };
        let html = section(&trace);
        assert_eq!(html.matches("<tr").count(), 4, "{html}");
        assert_eq!((html.matches("<circle").count(), html.matches("class=\"miss\"").count()), (3, 1));
        assert!(html.contains("<tr class=\"best\"><td>2 · best</td><td>steps &lt;2&gt;</td>"), "{html}");
        assert!(
            html.contains("<td>1.50 s</td><td>0.9500</td>") && html.contains("steps: time 75 %"),
            "{html}"
        );
    }
}
