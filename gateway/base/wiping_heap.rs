//! The heap as it is where addresses of people's devices pass through: what is given back is overwritten first.
//!
//! A message passes through buffers of libraries (TLS, MQTT, JSON) which nobody wipes. Where `[[presence]]` is
//! configured, every piece of the heap up to [`WIPED_MAX`] bytes is overwritten when it is given back, whoever had it.
//! What that costs is paid by such sites alone. FFmpeg and ONNX Runtime have an allocator of their own.
#![expect(unsafe_code, reason = "an allocator is unsafe by its interface")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    arch::asm,
    hint::black_box,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

/// A message of a sensor is smaller; tensors and pictures are not.
const WIPED_MAX: usize = 1024 * 1024;
/// What calls deeper than the caller of [`wipe_stack`] may have left on the stack.
const STACK_BYTES: usize = 64 * 1024;

static WIPES: AtomicBool = AtomicBool::new(false);

#[global_allocator]
static HEAP: WipingHeap = WipingHeap;

struct WipingHeap;

/// From now on, until the process ends.
pub fn wipe_freed_memory() {
    WIPES.store(true, Ordering::Relaxed);
}

/// Overwrites what returned calls have left below the caller on this thread's stack.
#[inline(never)]
pub fn wipe_stack() {
    let mut below = [0u8; STACK_BYTES];
    black_box(&mut below);
}

fn wipes(bytes: usize) -> bool {
    bytes <= WIPED_MAX && WIPES.load(Ordering::Relaxed)
}

// SAFETY: everything is the system's allocator; between, bytes are written that are the caller's until the call returns.
unsafe impl GlobalAlloc for WipingHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if wipes(layout.size()) {
            unsafe { overwrite(at, layout.size()) };
        }
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !wipes(layout.size()) {
            return unsafe { System.realloc(at, layout, size) };
        }
        // The system's would leave the old piece as it was.
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
            return ptr::null_mut();
        };
        unsafe {
            let new = System.alloc(wanted);
            if !new.is_null() {
                ptr::copy_nonoverlapping(at, new, layout.size().min(size));
                self.dealloc(at, layout);
            }
            new
        }
    }
}

/// # Safety
/// As many bytes at `at` may be written.
unsafe fn overwrite(at: *mut u8, bytes: usize) {
    unsafe {
        ptr::write_bytes(at, 0, bytes);
        // Memory may be read here, for all that the compiler knows: so it does not leave the writing out.
        asm!("/* {0} */", in(reg) at, options(nostack, preserves_flags));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lives as long as the process of this test alone does.
    #[test]
    fn what_moves_keeps_its_bytes_and_what_is_overwritten_has_none() {
        wipe_freed_memory();
        for bytes in [1usize, 17, 4_096, 100_000, WIPED_MAX] {
            let layout = Layout::from_size_align(bytes, 8).unwrap();
            // SAFETY: the layout is that of the piece; it is read while it is there.
            unsafe {
                let at = HEAP.alloc(layout);
                ptr::write_bytes(at, 0xa5, bytes);
                let moved = HEAP.realloc(at, layout, bytes * 2);
                let kept = std::slice::from_raw_parts(moved, bytes);
                assert!(kept.iter().all(|byte| *byte == 0xa5), "{bytes}");
                overwrite(moved, bytes);
                assert!(kept.iter().all(|byte| *black_box(byte) == 0), "{bytes}");
                HEAP.dealloc(moved, Layout::from_size_align(bytes * 2, 8).unwrap());
            }
        }
    }
}
