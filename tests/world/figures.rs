//! The figures of `/metrics`, and waiting for one of them.

use super::{Gateway, http, wait_for};

impl Gateway {
    /// All of them, as text.
    pub(crate) async fn metrics(&self) -> String {
        http().get(format!("{}/metrics", self.web)).send().await.unwrap().text().await.unwrap()
    }

    /// Sum over the labels of one metric.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await;
        text.lines()
            .filter(|line| line.starts_with(name) && line[name.len()..].starts_with(['{', ' ']))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// One series with its labels, as it is in the text; None where there is no such figure.
    pub(crate) async fn figure(&self, series: &str) -> Option<f64> {
        let text = self.metrics().await;
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
    }

    /// One metric of one camera.
    pub(crate) async fn of_camera(&self, name: &str, camera: &str) -> Option<f64> {
        self.figure(&format!("{name}{{camera=\"{camera}\"}}")).await
    }

    /// Waits until the sum over the labels of a metric is as wanted; what it is then.
    pub(crate) async fn metric_is(&self, name: &str, wanted: impl Fn(f64) -> bool) -> f64 {
        wait_for(name, || async { Some(self.metric(name).await).filter(|sum| wanted(*sum)) }).await
    }

    /// Waits until a series is there and as wanted; what it is then.
    pub(crate) async fn figure_is(&self, series: &str, wanted: impl Fn(f64) -> bool) -> f64 {
        wait_for(series, || async { self.figure(series).await.filter(|is| wanted(*is)) }).await
    }

    /// So many replies of the sink `district` had this outcome.
    pub(crate) async fn replies_are(&self, outcome: &str, count: f64) {
        let series =
            format!("gridpost_platform_replies_total{{sink=\"district\",outcome=\"{outcome}\"}}");
        self.figure_is(&series, |is| is == count).await;
    }

    /// The same for a metric of one camera.
    pub(crate) async fn camera_is(
        &self,
        name: &str,
        camera: &str,
        wanted: impl Fn(f64) -> bool,
    ) -> f64 {
        self.figure_is(&format!("{name}{{camera=\"{camera}\"}}"), wanted).await
    }

    /// Waits until no sink owes anything.
    pub(crate) async fn nothing_is_pending(&self) {
        self.metric_is("gridpost_pending_records", |pending| pending == 0.0).await;
    }
}
