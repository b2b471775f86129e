//! packets become pictures and clips; ffmpeg-next lives only here.
