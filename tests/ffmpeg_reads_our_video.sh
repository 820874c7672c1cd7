#!/bin/sh
# Checks our videos with ffmpeg, an independent decoder, and lets our player read videos that ffmpeg made.
# Needs ffmpeg and ffprobe with libx264 and libx265; run it from the root of the repository.
set -eu

for tool in ffmpeg ffprobe; do
    command -v "$tool" >/dev/null || { echo "$0 needs $tool (apt-get install ffmpeg)" >&2; exit 1; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export WANDECK_TEST_FOLDER="$folder"

half() { cargo test --quiet --test media -- --ignored --exact "with_ffmpeg::$1"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
same() { [ "$2" = "$3" ] || fail "$1 is \"$2\", not \"$3\""; }
# a field of the first video stream or of the file
stream() { ffprobe -v error -count_frames -select_streams v:0 -show_entries "stream=$2" -of csv=p=0 "$folder/$1"; }
tag() { ffprobe -v error -show_entries "format_tags=$2" -of default=nw=1:nk=1 "$folder/$1"; }

half writes_videos_for_ffmpeg

video=scene.mp4
same "codec" "$(stream $video codec_name)" h264
same "size" "$(stream $video width,height)" 320,192
same "pixel format" "$(stream $video pix_fmt)" yuv420p
same "colour range" "$(stream $video color_range)" tv
same "colour matrix" "$(stream $video color_space)" bt709
same "colour transfer" "$(stream $video color_transfer)" bt709
same "colour primaries" "$(stream $video color_primaries)" bt709
same "rate" "$(stream $video r_frame_rate)" 24/1
same "average rate" "$(stream $video avg_frame_rate)" 24/1
same "frames" "$(stream $video nb_read_frames)" 50
same "duration" "$(stream $video duration)" 2.083333
same "comment" "$(tag $video comment)" 'a 🐈 "你好"'
same "request" "$(tag $video wandeck)" '{"prompt":"a 🐈 \"你好\""}'
same "sync samples" "$(ffprobe -v error -skip_frame nokey -show_entries frame=pts_time -of csv=p=0 "$folder/$video" |
    tr -d '\n,')" 0.0000001.0000002.000000
same "complaints" "$(ffmpeg -v warning -xerror -i "$folder/$video" -f null - 2>&1)" ""
same "frames of the GIF" "$(stream scene.gif nb_read_frames)" 50
same "comment of the GIF" "$(tag scene.gif comment)" 'a 🐈 "你好"'

# the mean colour of each patch is within 3 levels of what was asked
ffmpeg -v error -i "$folder/patches.mp4" -vf format=rgb24,scale=1:1:flags=area -f rawvideo -pix_fmt rgb24 "$folder/patches.rgb"
asked="255 0 0 0 255 0 0 0 255 0 255 255 255 0 255 255 255 0"
seen=$(od -An -v -tu1 "$folder/patches.rgb" | tr -s ' \n' ' ')
set -- $asked
for level in $seen; do
    off=$((level > $1 ? level - $1 : $1 - level))
    [ "$off" -le 3 ] || fail "a colour is $level, not $1 (all: $seen)"
    shift
done
[ $# -eq 0 ] || fail "colours are missing"

# luma of the MP4 against the lossless frames
psnr=$(ffmpeg -v info -r 24 -i "$folder/scene/frame_%04d.png" -i "$folder/scene.mp4" \
    -lavfi "[0]scale=out_color_matrix=bt709:out_range=tv,format=yuv420p[a];[a][1]psnr" -f null - 2>&1 |
    sed -n 's/.*PSNR y:\([0-9]*\).*/\1/p')
[ "$psnr" -ge 42 ] || fail "luma PSNR is $psnr dB"

# videos of others
make() {
    output=$1
    shift
    ffmpeg -v error -y -r 24 -i "$folder/scene/frame_%04d.png" "$@" "$folder/$output"
}
make x264_b_frames.mp4 -c:v libx264 -bf 3 -g 20 -pix_fmt yuv420p -crf 14
make x264_601_full.mp4 -c:v libx264 -bf 0 -crf 14 -vf scale=out_color_matrix=smpte170m:out_range=full,format=yuvj420p \
    -color_range pc -colorspace smpte170m -color_primaries smpte170m -color_trc smpte170m
make x264_baseline.mp4 -c:v libx264 -profile:v baseline -pix_fmt yuv420p -crf 14 -movflags +faststart
make palette.gif -vf "split[a][b];[a]palettegen[p];[b][p]paletteuse" -gifflags +offsetting+transdiff
make hevc.mp4 -c:v libx265 -x265-params log-level=none -pix_fmt yuv420p
make ten_bits.mp4 -c:v libx264 -pix_fmt yuv420p10le
make 444.mp4 -c:v libx264 -pix_fmt yuv444p
make fragmented.mp4 -c:v libx264 -pix_fmt yuv420p -crf 14 -movflags +frag_keyframe+empty_moov+default_base_moof
make fragmented_base.mp4 -c:v libx264 -bf 2 -g 10 -pix_fmt yuv420p -crf 14 -movflags +frag_keyframe+empty_moov
make scene.webm -c:v libvpx-vp9 -frames:v 2
make scene.mkv -c:v libx264 -pix_fmt yuv420p
make scene.avi -c:v mpeg4
# older ffmpeg takes the rotation as a tag, newer as an option of the input
ffmpeg -v error -y -i "$folder/x264_b_frames.mp4" -c copy -metadata:s:v:0 rotate=90 "$folder/rotated.mp4"
head -c 5000 "$folder/x264_b_frames.mp4" >"$folder/cut_off.mp4"
half plays_what_ffmpeg_made

echo "ffmpeg reads our videos (luma $psnr dB), and we read ffmpeg's"
[ -z "${KEEP_IN:-}" ] || cp -r "$folder" "$KEEP_IN"
