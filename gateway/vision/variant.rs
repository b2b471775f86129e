//! The same model in 32 bits and in 8: which of the two is used on this machine.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Config, DetectError, Detector, ModelSpec, Provider, detect::library};
use crate::domain::Picture;

/// Runs of each, by turns; the fastest counts, so that a neighbour's burst does not decide.
const RUNS: usize = 15;
/// 8 bits are used only if they are faster by this factor; less would only make results differ from
/// one start to the next.
const FASTER_BY: f64 = 1.15;

/// `[model] variant`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// The faster of the two on this processor: measured once and kept beside the models. 8 bits
    /// are only considered where the processor can multiply them without overflow.
    #[default]
    Auto,
    Fp32,
    Int8,
}

/// The warning about 8 bits where [`multiplies_bytes`] is false. Measured on the street of the tests,
/// 2026-11-29: 158 of the 171 persons that 32 bits see.
pub const OVERFLOWS: &str =
    "this processor cannot multiply bytes without overflow, and 8 bits see less here than 32 do";

/// Milliseconds of one run, the fastest of some.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speeds {
    /// Of the 32-bit model.
    pub fp32_ms: f64,
    /// Of the 8-bit model.
    pub int8_ms: f64,
}

impl Speeds {
    /// Whether 8 bits are faster by enough.
    pub fn int8_wins(self) -> bool {
        self.fp32_ms >= self.int8_ms * FASTER_BY
    }
}

/// The file that is kept between starts: one measurement, and what it is true of.
#[derive(Serialize, Deserialize)]
struct CachedSpeed {
    of: String,
    speeds: Speeds,
}

/// The variant that is used, as an entry that can be loaded. The error is one sentence.
pub fn choose(
    config: &Config,
    spec: &ModelSpec,
    models: &Path,
    library: Option<&Path>,
) -> Result<ModelSpec, String> {
    let int8 = spec.in_int8();
    match (config.variant, int8) {
        (Variant::Fp32, _) | (Variant::Auto, None) => Ok(spec.clone()),
        (Variant::Int8, Some(int8)) => {
            if !multiplies_bytes() {
                tracing::warn!("detector: variant = \"int8\": {OVERFLOWS}");
            }
            Ok(int8)
        }
        (Variant::Int8, None) => Err(no_int8(spec)),
        (Variant::Auto, Some(int8)) => {
            let wins = auto(config, spec, &int8, models, library);
            Ok(if wins { int8 } else { spec.clone() })
        }
    }
}

/// The error of a configuration that asks for 8 bits of a model that has none.
pub(super) fn no_int8(spec: &ModelSpec) -> String {
    format!("model {} has no 8-bit variant in the catalogue; use \"auto\" or \"fp32\"", spec.name)
}

/// Whether 8 bits are used under `auto`. Where that cannot be found out the answer is no: the 32-bit
/// model works as well, and reports its own errors.
fn auto(
    config: &Config,
    spec: &ModelSpec,
    int8: &ModelSpec,
    models: &Path,
    library: Option<&Path>,
) -> bool {
    if !multiplies_bytes() {
        return false;
    }
    if let Err(reason) = int8.verify(models) {
        tracing::warn!(reason, "detector: the 8-bit model cannot be used, the slower one looks");
        return false;
    }
    // Which is faster depends on who runs them, and that on what starts here today.
    let ran = match runs_on(config, spec, models, library) {
        Ok(ran) => ran,
        Err(error) => {
            tracing::debug!(%error, "detector: the variants could not be compared");
            return false;
        }
    };
    let of = true_of(spec, int8, library::file(models, library), config.threads, ran);
    let speeds = match read_speeds(&of, models) {
        Some(speeds) => speeds,
        None => match measure(config, spec, models, library) {
            Ok(speeds) => speeds,
            Err(error) => {
                tracing::debug!(%error, "detector: the variants could not be compared");
                return false;
            }
        },
    };
    let variant = if speeds.int8_wins() { "int8" } else { "fp32" };
    tracing::info!(
        variant,
        fp32_ms = speeds.fp32_ms,
        int8_ms = speeds.int8_ms,
        "detector: the faster variant on this processor"
    );
    speeds.int8_wins()
}

/// Runs both and keeps the outcome, if it can be kept; else the next start measures again.
pub fn measure(
    config: &Config,
    spec: &ModelSpec,
    models: &Path,
    library: Option<&Path>,
) -> Result<Speeds, DetectError> {
    let int8 = spec.in_int8().ok_or_else(|| DetectError::Model(no_int8(spec)))?;
    let mut pair = [spec, &int8]
        .into_iter()
        .map(|one| Detector::load_on(one, models, library, config.threads, &config.providers))
        .collect::<Result<Vec<_>, _>>()?;
    let fastest = fastest_ms(&mut pair)?;
    let speeds = Speeds { fp32_ms: fastest[0], int8_ms: fastest[1] };
    let ran = pair.first().map_or(Provider::Cpu, Detector::provider);
    let of = true_of(spec, &int8, library::file(models, library), config.threads, ran);
    let cached = CachedSpeed { of, speeds };
    if let Err(error) = write_speeds(&cached, models) {
        tracing::debug!(%error, "the speeds of the model's variants could not be kept");
    }
    Ok(speeds)
}

/// Milliseconds of each one's fastest run of some, by turns, on a picture of the first one's size.
pub fn fastest_ms(detectors: &mut [Detector]) -> Result<Vec<f64>, DetectError> {
    let (width, height) = detectors.first().map_or((1, 1), Detector::input_size);
    let picture = grain(width, height);
    let mut fastest = vec![Duration::MAX; detectors.len()];
    for _ in 0..RUNS {
        for (detector, fastest) in detectors.iter_mut().zip(&mut fastest) {
            detector.detect(&picture)?;
            *fastest = detector.last_timing().run.min(*fastest);
        }
    }
    Ok(fastest.iter().map(|time| (time.as_secs_f64() * 1e5).round() / 1e2).collect())
}

fn write_speeds(cached: &CachedSpeed, models: &Path) -> std::io::Result<()> {
    let path = place(models);
    let part = path.with_extension(format!("{}.part", std::process::id()));
    std::fs::write(&part, serde_json::to_vec(cached)?)?;
    std::fs::rename(part, path)
}

/// Who would run the model. Only the processor is known without a try.
fn runs_on(
    config: &Config,
    spec: &ModelSpec,
    models: &Path,
    library: Option<&Path>,
) -> Result<Provider, DetectError> {
    if config.providers.iter().all(|one| *one == Provider::Cpu) {
        return Ok(Provider::Cpu);
    }
    let tried = Detector::load_on(spec, models, library, config.threads, &config.providers)?;
    Ok(tried.provider())
}

fn read_speeds(of: &str, models: &Path) -> Option<Speeds> {
    let cached: CachedSpeed = serde_json::from_slice(&std::fs::read(place(models)).ok()?).ok()?;
    (cached.of == of).then_some(cached.speeds)
}

fn place(models: &Path) -> PathBuf {
    models.join("cache/speeds.json")
}

/// What a measurement is true of: with another processor, library, provider, model or number of
/// threads it is taken anew.
fn true_of(
    spec: &ModelSpec,
    int8: &ModelSpec,
    library: PathBuf,
    threads: usize,
    ran: Provider,
) -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name").or(line.strip_prefix("CPU part")))
        .unwrap_or_default();
    let bytes = std::fs::metadata(library).map_or(0, |data| data.len());
    format!("{} {} {bytes} {threads} {} {name}", spec.sha256, int8.sha256, ran.as_str())
}

/// Whether this processor multiplies bytes without overflow. Without these instructions ONNX Runtime
/// uses 16 bits that overflow, and the model finds less.
pub fn multiplies_bytes() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx512vnni")
            || std::arch::is_x86_feature_detected!("avxvnni")
    }
    #[cfg(target_arch = "aarch64")]
    {
        std::arch::is_aarch64_feature_detected!("dotprod")
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        false
    }
}

/// A picture of noise: no value is a special case.
fn grain(width: u32, height: u32) -> Picture {
    let mut state = 0x9e37_79b9_u32;
    let rgb: Vec<u8> = (0..width as usize * height as usize * 3)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    Picture::of_rgb(width, height, rgb, jiff::Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::Catalog;

    fn models() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
    }

    /// A models folder of its own with the real files in it.
    fn folder(with_int8: bool) -> (tempfile::TempDir, ModelSpec) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("cache")).unwrap();
        let spec = Catalog::read(&models()).unwrap().get("ssd-mobilenet-v2-coco").unwrap().clone();
        let int8 = spec.in_int8().unwrap();
        let mut files = vec![spec.file.clone(), "libonnxruntime.so".into()];
        files.extend(with_int8.then_some(int8.file));
        for file in files {
            let from = models().join("cache").join(&file);
            std::os::unix::fs::symlink(from, folder.path().join("cache").join(file)).unwrap();
        }
        (folder, spec)
    }

    #[test]
    fn auto_takes_the_faster_as_it_was_measured_once() {
        let (folder, spec) = folder(true);
        let int8 = spec.in_int8().unwrap();
        let config = Config::default();
        let chosen = choose(&config, &spec, folder.path(), None).unwrap();
        if !multiplies_bytes() {
            assert_eq!(chosen.file, spec.file);
            return;
        }
        let of =
            |threads, ran| true_of(&spec, &int8, library::file(folder.path(), None), threads, ran);
        let cpu = of(1, Provider::Cpu);
        let speeds = read_speeds(&cpu, folder.path()).unwrap();
        assert_eq!(chosen.file == int8.file, speeds.int8_wins());
        // What is kept decides from then on, whichever way; another number of threads does not know it.
        for (fp32_ms, int8_ms, wanted) in [(9.0, 3.0, &int8), (3.0, 9.0, &spec), (9.0, 8.9, &spec)]
        {
            let speeds = Speeds { fp32_ms, int8_ms };
            write_speeds(&CachedSpeed { of: cpu.clone(), speeds }, folder.path()).unwrap();
            let chosen = choose(&config, &spec, folder.path(), None).unwrap();
            assert_eq!(chosen.file, wanted.file, "{speeds:?}");
        }
        assert_eq!(read_speeds(&of(2, Provider::Cpu), folder.path()), None);
        assert_eq!(read_speeds(&of(1, Provider::Openvino), folder.path()), None);
        // A wish that is not met is of the processor, and so are its speeds.
        let wish = Config { providers: vec![Provider::Cuda], ..Config::default() };
        write_speeds(
            &CachedSpeed { of: cpu, speeds: Speeds { fp32_ms: 9.0, int8_ms: 3.0 } },
            folder.path(),
        )
        .unwrap();
        assert_eq!(choose(&wish, &spec, folder.path(), None).unwrap().file, int8.file);
    }

    #[test]
    fn what_is_asked_for_is_taken_and_what_is_missing_is_no_reason_to_be_blind() {
        let (folder, spec) = folder(false);
        let with = |variant| Config { variant, ..Config::default() };
        let chosen = |variant| choose(&with(variant), &spec, folder.path(), None);
        assert_eq!(chosen(Variant::Auto).unwrap().file, spec.file, "no file of 8 bits is there");
        assert_eq!(chosen(Variant::Fp32).unwrap().file, spec.file);
        assert_eq!(chosen(Variant::Int8).unwrap().file, spec.in_int8().unwrap().file);
        let plain = ModelSpec { int8: None, ..spec.clone() };
        let refused = choose(&with(Variant::Int8), &plain, folder.path(), None).unwrap_err();
        assert!(refused.contains("has no 8-bit variant"), "{refused}");
        assert_eq!(choose(&with(Variant::Auto), &plain, folder.path(), None).unwrap().int8, None);
    }
}
