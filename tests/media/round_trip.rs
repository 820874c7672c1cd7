//! Every format written, read back, checked; and what happens when it does not go well.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is not there")]

use std::fs;
use std::path::{Path, PathBuf};

use wandeck::core::{Fps, Frame, FrameCount, Kind, Resolution, Result};
use wandeck::media::{
    Existing, ExpectedVideo, Format, Metadata, OutputTarget, Reader, VideoSink, Writer, Yuv420, check,
    read_metadata,
};

const SIZE: Resolution = Resolution::new(64, 48);
const FPS: Fps = Fps(16);
const FORMATS: [(&str, u32); 4] = [("out.mp4", 20), ("out.gif", 20), ("out.png", 1), ("out", 20)];
const JSON: &str = r#"{"version":1,"prompt":"a 🐈 says \"你好\", l'été\\n","seed":18446744073709551615}"#;

fn metadata() -> Metadata {
    Metadata::new("Wandeck: a 🐈 says \"你好\"", JSON)
}

/// A moving scene with gradients, edges and some noise.
fn scene(size: Resolution, time: u32) -> Frame {
    let mut noise = 12345 + time;
    let mut rgb = Vec::with_capacity(size.area() as usize * 3);
    for y in 0..size.height {
        for x in 0..size.width {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (u, v) = (x as f32 / size.width as f32, y as f32 / size.height as f32);
            let t = time as f32 * 0.1;
            let wave = ((u * 9.0 + t).sin() * (v * 7.0 - t).cos() * 0.5 + 0.5) * 200.0 + (noise >> 30) as f32;
            let edge = if (u - 0.5 - 0.2 * t.sin()).abs() < 0.1 { 50.0 } else { 0.0 };
            rgb.extend(
                [wave, wave * 0.6 + edge + u * 80.0, 250.0 - wave * 0.9 + edge].map(|level| level as u8),
            );
        }
    }
    Frame { size, rgb }
}

fn flat(size: Resolution, color: [u8; 3]) -> Frame {
    Frame { size, rgb: color.repeat(size.area() as usize) }
}

fn frames(count: u32) -> Vec<Frame> {
    (0..count).map(|time| scene(SIZE, time)).collect()
}

fn target(path: &Path, count: usize) -> OutputTarget {
    OutputTarget::parse(path, FrameCount(count as u32), Existing::NextFree).unwrap()
}

fn try_write(target: &OutputTarget, frames: &[Frame]) -> Result<PathBuf> {
    let mut writer = Writer::create(target, frames[0].size, FPS, FrameCount(frames.len() as u32))?;
    for frame in frames {
        writer.push(frame)?;
    }
    writer.finish(&metadata())?.place(&mut |_| Ok(()))
}

fn write(path: &Path, frames: &[Frame]) -> PathBuf {
    try_write(&target(path, frames.len()), frames).unwrap()
}

fn read(path: &Path) -> Vec<Frame> {
    let mut reader = Reader::open(path).unwrap();
    std::iter::from_fn(|| reader.next_frame().unwrap()).collect()
}

fn expected(frames: &[Frame]) -> ExpectedVideo {
    ExpectedVideo { frames: FrameCount(frames.len() as u32), size: frames[0].size, fps: FPS }
}

fn failed_checks(path: &Path, expected: &ExpectedVideo) -> Vec<String> {
    let checks = check(path, expected).into_iter();
    checks.filter(|check| !check.passed).map(|check| check.name).collect()
}

fn psnr(ours: &[u8], theirs: &[u8]) -> f64 {
    let squares: f64 = ours.iter().zip(theirs).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 * ours.len() as f64 / squares).log10()
}

fn luma(frame: &Frame) -> Vec<u8> {
    let mut yuv = Yuv420::new(frame.size);
    yuv.read_rgb(frame);
    yuv.y
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn every_format_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    for (name, count) in FORMATS {
        let frames = frames(count);
        let path = write(&folder.path().join(name), &frames);
        assert_eq!(path, folder.path().join(name));
        assert_eq!(read_metadata(&path).unwrap().as_deref(), Some(JSON), "{name}");
        assert_eq!(
            failed_checks(&path, &expected(&frames)),
            [""; 0],
            "{:?}",
            check(&path, &expected(&frames))
        );

        let format = target(&path, frames.len()).format();
        let back = read(&path);
        assert_eq!(back.len(), frames.len(), "{name}");
        for (index, (ours, theirs)) in back.iter().zip(&frames).enumerate() {
            match format {
                Format::Png | Format::PngSequence => assert!(ours == theirs, "{name} is lossless"),
                Format::Mp4 => {
                    let db = psnr(&luma(ours), &luma(theirs));
                    assert!(db > 42.0, "frame {index}: {db:.1} dB");
                }
                Format::Gif => {
                    let db = psnr(&ours.rgb, &theirs.rgb);
                    assert!(db > 28.0, "frame {index}: {db:.1} dB");
                }
            }
        }
    }
    assert_eq!(names_in(&folder.path().join("out"))[19], "frame_0019.png");
}

#[test]
fn colours_are_right_after_a_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let colors = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 255, 255], [255, 0, 255], [255, 255, 0]];
    let frames: Vec<_> = colors.iter().map(|&color| flat(SIZE, color)).collect();
    for (color, frame) in colors.iter().zip(read(&write(&folder.path().join("out.mp4"), &frames))) {
        for (channel, &level) in color.iter().enumerate() {
            let sum: u64 = frame.rgb.iter().skip(channel).step_by(3).map(|&level| u64::from(level)).sum();
            let mean = sum as f64 / SIZE.area() as f64;
            assert!((mean - f64::from(level)).abs() <= 3.0, "{color:?}: channel {channel} is {mean}");
        }
    }
}

#[test]
fn quality_holds_at_a_real_size() {
    let folder = tempfile::tempdir().unwrap();
    let size = Resolution::new(832, 480);
    let frames: Vec<_> = (0..5).map(|time| scene(size, time)).collect();
    for (ours, theirs) in read(&write(&folder.path().join("out.mp4"), &frames)).iter().zip(&frames) {
        let db = psnr(&luma(ours), &luma(theirs));
        assert!(db > 43.0, "{db:.1} dB");
    }
}

/// Nothing but noise, which no codec makes smaller.
fn noise(size: Resolution, time: u32) -> Frame {
    let mut state = 99 + time;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    Frame { size, rgb: (0..size.area() * 3).map(|_| byte()).collect() }
}

#[test]
fn noise_is_stored_coarser_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let size = Resolution::new(256, 256);
    // an ordinary frame first, so that two frames in a row begin anew
    let frames: Vec<_> =
        (0..6).map(|time| if time < 1 { scene(size, time) } else { noise(size, time) }).collect();
    let path = folder.path().join("out.mp4");
    let mut writer = Writer::create(&target(&path, 6), size, FPS, FrameCount(6)).unwrap();
    for frame in &frames {
        writer.push(frame).unwrap();
    }
    let ready = writer.finish(&metadata()).unwrap();
    let note = ready.note().unwrap().to_owned();
    assert!(note.contains("quantiser"), "{note}");
    let path = ready.place(&mut |_| Ok(())).unwrap();
    assert_eq!(failed_checks(&path, &expected(&frames)), Vec::<String>::new());
    for (index, (ours, theirs)) in read(&path).iter().zip(&frames).enumerate() {
        let (db, least) = (psnr(&luma(ours), &luma(theirs)), if index < 1 { 43.0 } else { 24.0 });
        assert!(db > least, "frame {index}: {db:.1} dB");
    }
}

#[test]
fn mp4_is_laid_out_for_players() {
    use mp4_atom::{Any, Codec, Colr, ReadFrom as _};
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder.path().join("out.mp4"), &frames(40));
    let mut bytes = fs::File::open(&path).unwrap();
    let boxes: Vec<_> = std::iter::from_fn(|| Option::<Any>::read_from(&mut bytes).unwrap()).collect();
    let [Any::Ftyp(_), Any::Moov(moov), Any::Mdat(_)] = boxes.as_slice() else { panic!("other boxes") };
    let media = &moov.trak[0].mdia;
    let table = &media.minf.stbl;
    let run = &table.stts.entries[0];
    assert_eq!((table.stts.entries.len(), run.sample_count), (1, 40), "one sample a frame");
    assert_eq!(media.mdhd.timescale, run.sample_delta * FPS.0, "the rate is exact");
    assert_eq!(media.mdhd.duration, u64::from(run.sample_delta) * 40);
    let sync = &table.stss.as_ref().unwrap().entries;
    assert!([1, 17, 33].iter().all(|number| sync.contains(number)), "seekable every second: {sync:?}");
    let Codec::Avc1(entry) = &table.stsd.codecs[0] else { panic!("another codec") };
    assert_eq!(entry.avcc.sequence_parameter_sets[0][0] & 31, 7);
    assert_eq!(entry.colr, Some(Colr::new(1, 1, 1, false).unwrap()));
}

#[test]
fn the_same_frames_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.mp4", "a.gif"] {
        let paths = [0, 1].map(|_| write(&folder.path().join(name), &frames(8)));
        assert!(fs::read(&paths[0]).unwrap() == fs::read(&paths[1]).unwrap(), "{name}");
    }
}

#[test]
fn any_frame_can_be_sought() {
    let folder = tempfile::tempdir().unwrap();
    for (name, count) in [("out.mp4", 40), ("out.gif", 6), ("out", 6)] {
        let path = write(&folder.path().join(name), &frames(count));
        let all = read(&path);
        let mut reader = Reader::open(&path).unwrap();
        for index in [0, 5, 4, 39, 38, 16, 15, 17, 3, 3, 0].into_iter().filter(|&index| index < count) {
            reader.seek(index);
            assert!(reader.next_frame().unwrap().unwrap() == all[index as usize], "{name}: frame {index}");
        }
        reader.seek(count);
        assert_eq!(reader.next_frame().unwrap(), None);
    }
}

#[test]
fn odd_sides_are_rounded_up_in_mp4() {
    let folder = tempfile::tempdir().unwrap();
    let size = Resolution::new(33, 27);
    let frames = [scene(size, 0), scene(size, 1)];
    let path = write(&folder.path().join("out.mp4"), &frames);
    let stored = target(&path, 2).stored_size(size);
    assert_eq!((stored, Reader::open(&path).unwrap().info().size), (Resolution::new(34, 28), stored));
    assert_eq!(failed_checks(&path, &ExpectedVideo { size: stored, ..expected(&frames) }), [""; 0]);
}

#[test]
fn nothing_is_ever_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    for (name, second, third) in [
        ("out.mp4", "out-2.mp4", "out-3.mp4"),
        ("out.gif", "out-2.gif", "out-3.gif"),
        ("out", "out-2", "out-3"),
    ] {
        let first = write(&folder.path().join(name), &frames(2));
        let target = target(&first, 2);
        assert_eq!(target.renamed_from(), Some(first.as_path()));
        // another program takes the name while the video is made
        let taken = folder.path().join(second);
        fs::write(&taken, "theirs").unwrap();
        assert_eq!(try_write(&target, &frames(2)).unwrap(), folder.path().join(third));
        assert_eq!(fs::read(&taken).unwrap(), b"theirs");
    }
    assert_eq!(names_in(folder.path()).len(), 9);
}

#[test]
fn what_is_to_be_replaced_is_replaced_whole() {
    let folder = tempfile::tempdir().unwrap();
    for (name, count) in FORMATS {
        let path = write(&folder.path().join(name), &frames(count));
        let replacement: Vec<_> = (0..count.min(3)).map(|time| scene(SIZE, time + 50)).collect();
        let target =
            OutputTarget::parse(&path, FrameCount(replacement.len() as u32), Existing::Replace).unwrap();
        // given up half-way, the old one stays
        drop(Writer::create(&target, SIZE, FPS, FrameCount(replacement.len() as u32)).unwrap());
        assert_eq!(read(&path).len(), count as usize);
        assert_eq!(try_write(&target, &replacement).unwrap(), path);
        assert_eq!(read(&path).len(), replacement.len(), "{name}");
    }
    assert_eq!(names_in(folder.path()), ["out", "out.gif", "out.mp4", "out.png"]);
}

#[test]
fn an_abandoned_video_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (name, count) in FORMATS {
        let target = target(&folder.path().join("new/deeper").join(name), count as usize);
        let mut writer = Writer::create(&target, SIZE, FPS, FrameCount(count)).unwrap();
        writer.push(&scene(SIZE, 0)).unwrap();
        assert_eq!(names_in(&folder.path().join("new/deeper")).len(), 1, "a hidden file");
        drop(writer);
        assert_eq!(names_in(folder.path()), [""; 0], "{name}");

        let mut recorder = VideoSink::start(&target, SIZE, FPS, FrameCount(count)).unwrap();
        recorder.push(scene(SIZE, 0)).unwrap();
        drop(recorder);
        assert_eq!(names_in(folder.path()), [""; 0], "{name}");
    }
}

#[test]
fn the_recorder_writes_on_its_own_thread() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(&folder.path().join("new/out.mp4"), 40);
    let mut recorder = VideoSink::start(&target, SIZE, FPS, FrameCount(40)).unwrap();
    for frame in frames(40) {
        recorder.push(frame).unwrap();
    }
    let path = recorder.finish(metadata()).unwrap().place(&mut |_| Ok(())).unwrap();
    assert_eq!(failed_checks(&path, &expected(&frames(40))), [""; 0]);
}

#[test]
fn a_failure_on_the_thread_reaches_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let target = target(&folder.path().join("out.mp4"), 1000);
    let mut recorder = VideoSink::start(&target, SIZE, FPS, FrameCount(1000)).unwrap();
    let other_size = scene(Resolution::new(32, 32), 0);
    let error = (0..1000).find_map(|_| recorder.push(other_size.clone()).err()).unwrap();
    assert!(error.message.contains("32x32") && error.message.contains("64x48"), "{error:#}");

    let recorder = VideoSink::start(&target, SIZE, FPS, FrameCount(1000)).unwrap();
    let error = recorder.finish(metadata()).err().unwrap();
    assert!(error.message.contains("0 of 1000"), "{error:#}");
    assert_eq!(names_in(folder.path()), [""; 0]);
}

#[test]
fn a_file_that_is_cut_off_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    for (name, count) in [("out.mp4", 20), ("out.gif", 20), ("out.png", 1)] {
        let path = write(&folder.path().join(name), &frames(count));
        let bytes = fs::read(&path).unwrap();
        for keep in [bytes.len() - 1000, bytes.len() / 2, 700, 40, 16] {
            fs::write(&path, &bytes[..keep]).unwrap();
            let failed = Reader::open(&path).and_then(|mut reader| reader.next_frame()).err();
            let error = failed.unwrap_or_else(|| panic!("{name} with {keep} of {} bytes", bytes.len()));
            let text = format!("{error:#}");
            assert!(error.kind == Kind::Io && text.contains("damaged"), "{name} with {keep} bytes: {text}");
            assert_eq!(failed_checks(&path, &expected(&frames(count))), ["opens"]);
        }
    }
}

#[test]
fn the_request_survives_a_cut_off_video() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder.path().join("out.mp4"), &frames(20));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert_eq!(read_metadata(&path).unwrap().as_deref(), Some(JSON));
}

#[test]
fn damaged_bytes_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    for (name, count) in [("out.mp4", 3), ("out.gif", 3), ("out.png", 1)] {
        let path = write(&folder.path().join(name), &frames(count));
        let bytes = fs::read(&path).unwrap();
        let mut random = 1_u32;
        for _ in 0..300 {
            let mut damaged = bytes.clone();
            for _ in 0..4 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // most of them in the index
                let at = (random >> 8) as usize % damaged.len().min(2000);
                damaged[at] = (random >> 3) as u8;
            }
            fs::write(&path, &damaged).unwrap();
            // any answer is fine, as long as it is one
            check(&path, &expected(&frames(count)));
            read_metadata(&path).ok();
        }
    }
}

#[test]
fn what_cannot_be_played_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder.path().join("out.mp4"), &frames(2));
    let mut bytes = fs::read(&path).unwrap();
    let entry = bytes.windows(4).rposition(|bytes| bytes == b"avc1").unwrap();
    bytes[entry..entry + 4].copy_from_slice(b"xvid");
    fs::write(&path, bytes).unwrap();
    let error = Reader::open(&path).err().unwrap();
    assert!(error.kind == Kind::Unsupported && error.message.contains("xvid"), "{error:#}");
    assert!(error.remedy_text().unwrap().contains("ffmpeg"));

    let text = folder.path().join("notes.mp4");
    fs::write(&text, "just some text").unwrap();
    assert_eq!(Reader::open(&text).err().unwrap().kind, Kind::Unsupported);
    assert_eq!(Reader::open(folder.path()).err().unwrap().kind, Kind::Io, "a folder without frames");
    assert_eq!(Reader::open(&folder.path().join("missing")).err().unwrap().kind, Kind::Io);
}

#[test]
fn checks_see_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let good = frames(6);
    let asked = expected(&good);
    let file = |name: &str, frames: &[Frame]| write(&folder.path().join(name), frames);
    let grey: Vec<_> = (0..6).map(|level| flat(SIZE, [100 + level; 3])).collect();
    assert_eq!(
        failed_checks(&file("black.mp4", &vec![flat(SIZE, [0; 3]); 6]), &asked),
        ["not black", "not one colour"]
    );
    assert_eq!(failed_checks(&file("grey.mp4", &grey), &asked), ["not one colour"]);
    assert_eq!(failed_checks(&file("short.mp4", &good[..5]), &asked), ["frames"]);
    let other = ExpectedVideo { size: Resolution::new(64, 64), fps: Fps(24), ..asked };
    assert_eq!(failed_checks(&file("good.mp4", &good), &other), ["size", "fps"]);
    assert_eq!(failed_checks(&file("good.gif", &good), &other), ["size", "fps"]);

    let sequence = file("sequence", &good);
    fs::remove_file(sequence.join("frame_0003.png")).unwrap();
    let frames = check(&sequence, &asked).into_iter().find(|check| !check.passed).unwrap();
    assert!(frames.name == "frames" && frames.detail.contains("frame_0003.png"), "{frames:?}");
}

#[test]
fn a_dark_scene_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let mut night = flat(SIZE, [0; 3]);
    for star in [40, 900, 2500] {
        night.rgb[star * 3..star * 3 + 3].fill(220);
    }
    let mut dusk = scene(SIZE, 0);
    dusk.rgb.iter_mut().for_each(|level| *level /= 14);
    for (name, frame) in [("night.mp4", night), ("dusk.mp4", dusk)] {
        let frames = vec![frame; 6];
        let path = write(&folder.path().join(name), &frames);
        assert_eq!(
            failed_checks(&path, &expected(&frames)),
            [""; 0],
            "{:?}",
            check(&path, &expected(&frames))
        );
    }
}

#[cfg(unix)]
#[test]
fn names_need_not_be_utf8() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let name = Path::new(std::ffi::OsStr::from_bytes(b"caf\xe9.mp4"));
    let first = write(&folder.path().join(name), &frames(2));
    let second = write(&folder.path().join(name), &frames(2));
    assert_eq!(second.file_name().unwrap().as_bytes(), b"caf\xe9-2.mp4");
    for path in [first, second] {
        assert_eq!(read_metadata(&path).unwrap().as_deref(), Some(JSON));
    }
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_reported_and_leaves_no_file() {
    // the kernel refuses writes beyond the limit; the signal that would end the program is ignored
    let script =
        "trap '' XFSZ; ulimit -f 4; exec \"$0\" --exact round_trip::with_little_space --ignored --nocapture";
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[cfg(unix)]
#[test]
#[ignore = "runs with a limit on the size of files, in a_full_disk_is_reported_and_leaves_no_file"]
fn with_little_space() {
    let folder = tempfile::tempdir().unwrap();
    for (name, count) in FORMATS {
        let error = try_write(&target(&folder.path().join("new").join(name), count as usize), &frames(count));
        let error = error.expect_err("needs a limit on the size of files");
        assert!(
            error.kind == Kind::Io && format!("{error:#}").contains("Free some disk space"),
            "{name}: {error:#}"
        );
        assert_eq!(names_in(folder.path()), [""; 0], "{name}");
    }
}
