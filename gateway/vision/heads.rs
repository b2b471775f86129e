//! What a model says becomes candidate boxes, one function a head. Pure; bad shapes are an error, never a panic.

use std::sync::Arc;

use super::{
    catalog::{Head, Input},
    preprocess::Fit,
};
use crate::domain::{Bbox, Detection};

/// One output tensor.
pub(super) struct Tensor<'t> {
    /// As the model states it.
    pub(super) shape: &'t [i64],
    /// Row by row.
    pub(super) data: &'t [f32],
}

/// What all heads need.
pub(super) struct Context<'c> {
    /// What went in.
    pub(super) input: &'c Input,
    /// `labels[i]` names score i; an empty one is left out.
    pub(super) labels: &'c [Arc<str>],
    /// Where the picture lies in the input.
    pub(super) fit: Fit,
    /// Candidates below it are left out, 0..1.
    pub(super) min_score: f32,
}

impl Context<'_> {
    fn candidate(&self, bbox: Bbox, scores: impl Iterator<Item = f32>) -> Option<Detection> {
        let (best, score) = scores
            .take(self.labels.len())
            .enumerate()
            .filter(|(class, score)| *score >= self.min_score && !self.labels[*class].is_empty())
            .max_by(|a, b| a.1.total_cmp(&b.1))?;
        let bbox = self.fit.back(bbox)?;
        Some(Detection { label: self.labels[best].clone(), score: score.min(1.0), bbox })
    }

    /// A box of centre and size in input pixels.
    fn centred(&self, [x, y, w, h]: [f32; 4]) -> Bbox {
        let (width, height) = (self.input.width as f32, self.input.height as f32);
        Bbox::new(
            (x - w / 2.0) / width,
            (y - h / 2.0) / height,
            (x + w / 2.0) / width,
            (y + h / 2.0) / height,
        )
    }
}

/// Candidates of one picture; `outputs` are boxes and scores (ssd) or predictions (yolo).
pub(super) fn decode(
    head: Head,
    context: &Context<'_>,
    outputs: &[Tensor<'_>],
) -> Result<Vec<Detection>, String> {
    match (head, outputs) {
        (Head::SsdDecoded, [boxes, scores]) => ssd(context, boxes, scores),
        (Head::Yolox, [predictions]) => yolox(context, predictions),
        (Head::Yolov8, [predictions]) => yolov8(context, predictions),
        _ => Err("the head and the number of outputs do not fit".into()),
    }
}

fn side(tensor: &Tensor<'_>, index: usize) -> usize {
    tensor.shape.get(index).and_then(|side| usize::try_from(*side).ok()).unwrap_or(0)
}

fn ssd(
    context: &Context<'_>,
    boxes: &Tensor<'_>,
    scores: &Tensor<'_>,
) -> Result<Vec<Detection>, String> {
    let (count, classes) = (side(scores, 1), side(scores, 2));
    if boxes.data.len() != count * 4 || scores.data.len() != count * classes || classes == 0 {
        return Err(format!(
            "boxes {:?} and scores {:?}: expected [1,N,4] and [1,N,labels]",
            boxes.shape, scores.shape
        ));
    }
    let each = boxes.data.chunks_exact(4).zip(scores.data.chunks_exact(classes));
    Ok(each
        .filter_map(|(at, scores)| {
            let bbox = Bbox::new(at[1], at[0], at[3], at[2]);
            context.candidate(bbox, scores.iter().copied())
        })
        .collect())
}

/// YOLOX exports leave the grid undecoded (Megvii YOLOX, `demo_postprocess`): strides 8, 16, 32.
fn yolox(context: &Context<'_>, predictions: &Tensor<'_>) -> Result<Vec<Detection>, String> {
    let (count, width) = (side(predictions, 1), side(predictions, 2));
    let cells = [8u32, 16, 32].into_iter().flat_map(|stride| {
        let (columns, rows) = (context.input.width / stride, context.input.height / stride);
        (0..rows).flat_map(move |y| (0..columns).map(move |x| (x as f32, y as f32, stride as f32)))
    });
    if width <= 5 || predictions.data.len() != count * width || cells.clone().count() != count {
        return Err(format!(
            "predictions {:?}: expected [1,N,5+labels] over strides 8, 16, 32",
            predictions.shape
        ));
    }
    Ok(predictions
        .data
        .chunks_exact(width)
        .zip(cells)
        .filter_map(|(row, (x, y, stride))| {
            let at = [
                (row[0] + x) * stride,
                (row[1] + y) * stride,
                row[2].exp() * stride,
                row[3].exp() * stride,
            ];
            context.candidate(context.centred(at), row[5..].iter().map(|score| score * row[4]))
        })
        .collect())
}

/// YOLOv8 and YOLO11 exports: columns are candidates.
fn yolov8(context: &Context<'_>, predictions: &Tensor<'_>) -> Result<Vec<Detection>, String> {
    let (rows, count) = (side(predictions, 1), side(predictions, 2));
    if rows <= 4 || predictions.data.len() != rows * count {
        return Err(format!("predictions {:?}: expected [1,4+labels,N]", predictions.shape));
    }
    let at = |row: usize, column: usize| predictions.data[row * count + column];
    Ok((0..count)
        .filter_map(|column| {
            let bbox =
                context.centred([at(0, column), at(1, column), at(2, column), at(3, column)]);
            context.candidate(bbox, (4..rows).map(|row| at(row, column)))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::catalog::{Color, Dtype, Layout, Resize};

    fn check(head: Head, outputs: &[Tensor<'_>]) -> Result<Vec<String>, String> {
        let input = Input {
            name: "x".into(),
            width: 32,
            height: 32,
            layout: Layout::Nchw,
            dtype: Dtype::F32,
            color: Color::Rgb,
            resize: Resize::Stretch,
            mean: [0.0; 3],
            std: [1.0; 3],
        };
        let labels: Vec<Arc<str>> = vec!["person".into(), "".into(), "car".into()];
        let fit = Fit { width: 1.0, height: 1.0, x: 0.0, y: 0.0 };
        let context = Context { input: &input, labels: &labels, fit, min_score: 0.4 };
        decode(head, &context, outputs).map(|found| {
            found
                .iter()
                .map(|one| {
                    format!(
                        "{} {:.2} {:.2},{:.2},{:.2},{:.2}",
                        one.label, one.score, one.bbox.x0, one.bbox.y0, one.bbox.x1, one.bbox.y1
                    )
                })
                .collect()
        })
    }

    #[test]
    fn ssd_golden() {
        let boxes = [0.1, 0.2, 0.5, 0.6, 0.0, 0.0, 0.0, 0.0, f32::NAN, 0.0, 1.0, 1.0];
        let scores = [0.1, 0.99, 0.8, 0.9, 0.0, 0.0, 0.9, 0.0, 0.0];
        let found = check(
            Head::SsdDecoded,
            &[
                Tensor { shape: &[1, 3, 4], data: &boxes },
                Tensor { shape: &[1, 3, 3], data: &scores },
            ],
        );
        assert_eq!(found.unwrap(), ["car 0.80 0.20,0.10,0.60,0.50"]);
        assert!(
            check(
                Head::SsdDecoded,
                &[
                    Tensor { shape: &[1, 2, 4], data: &boxes },
                    Tensor { shape: &[1, 3], data: &scores }
                ]
            )
            .is_err()
        );
    }

    #[test]
    fn yolox_golden() {
        // 32×32 has 16 + 4 + 1 cells; the sixth is x 1, y 1 of stride 8.
        let mut data = vec![0.0f32; 21 * 8];
        data[5 * 8..6 * 8].copy_from_slice(&[0.5, 0.5, 0.0, 1.0f32.ln(), 0.9, 0.8, 0.0, 0.1]);
        let found = check(Head::Yolox, &[Tensor { shape: &[1, 21, 8], data: &data }]);
        assert_eq!(found.unwrap(), ["person 0.72 0.25,0.25,0.50,0.50"]);
        assert!(check(Head::Yolox, &[Tensor { shape: &[1, 20, 8], data: &data[..160] }]).is_err());
    }

    #[test]
    fn yolov8_golden() {
        let data = [16.0, 4.0, 16.0, 4.0, 8.0, 4.0, 16.0, 4.0, 0.1, 0.1, 0.9, 0.9, 0.7, 0.2];
        let found = check(Head::Yolov8, &[Tensor { shape: &[1, 7, 2], data: &data }]);
        assert_eq!(found.unwrap(), ["car 0.70 0.38,0.25,0.62,0.75"]);
    }
}
