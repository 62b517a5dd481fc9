//! Rows at the bottom of a terminal that stay in place while everything else scrolls above them.
//!
//! The terminal does this by its scroll region (DECSTBM), which `apt` uses for its progress bar
//! too. So the log, console spans and other processes can write to the same terminal as if there
//! were no view. Their lines are never torn, since the view is drawn by one write, which also puts
//! the cursor back.

use std::{
    fmt,
    io::{self, Write},
};

use crossterm::{
    Command, QueueableCommand as _,
    cursor::{MoveTo, MoveUp, RestorePosition, SavePosition},
    style::PrintStyledContent,
    terminal::{Clear, ClearType},
};

use super::panel::{Panel, Part, Size, rows_for};

/// The rows at the bottom of a terminal.
pub(super) struct BottomRows<W: Write> {
    terminal: W,
    /// The size of the terminal that the rows were drawn for; zero while they are closed.
    size: Size,
    rows: u16,
}

impl<W: Write> BottomRows<W> {
    /// The bottom of `terminal`, closed.
    pub(super) fn new(terminal: W) -> Self {
        BottomRows { terminal, size: Size::ZERO, rows: 0 }
    }

    /// The size of the terminal that the rows were drawn for; zero while they are closed.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Draws the panel, in as many rows as a terminal of this size has room for.
    pub(super) fn show(&mut self, panel: &Panel, size: Size) -> io::Result<()> {
        let mut bytes = Vec::new();
        if size != self.size {
            self.release(&mut bytes)?;
            self.rows = rows_for(size);
            self.size = size;
            self.make_room(&mut bytes)?;
        }
        if self.rows > 0 {
            self.draw(&mut bytes, panel.lines(size))?;
        }
        self.write(&bytes)
    }

    /// Removes the rows, so that the whole terminal scrolls again.
    pub(super) fn close(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        self.release(&mut bytes)?;
        self.write(&bytes)
    }

    /// The bytes that remove the rows, for a process that ends without calling
    /// [`close`](Self::close).
    pub(super) fn closing(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        release(&mut bytes, self.rows)?;
        Ok(bytes)
    }

    /// Ends the scroll region, and clears the rows below the cursor. The cursor is always above
    /// them.
    fn release(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        release(bytes, self.rows)?;
        (self.size, self.rows) = (Size::ZERO, 0);
        Ok(())
    }

    /// Scrolls up the lines that stand where the rows will be.
    fn make_room(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        if self.rows > 0 {
            bytes.extend(std::iter::repeat_n(b'\n', usize::from(self.rows)));
            bytes.queue(MoveUp(self.rows))?;
        }
        Ok(())
    }

    fn draw(&self, bytes: &mut Vec<u8>, lines: Vec<Vec<Part>>) -> io::Result<()> {
        let top = self.size.height - self.rows;
        bytes.queue(SavePosition)?;
        // The region is set each time, since a terminal loses it when it is resized or reset.
        bytes.queue(SetScrollRegion::Above(top))?;
        for (row, line) in (top..).zip(lines) {
            bytes.queue(MoveTo(0, row))?;
            for part in line {
                bytes.queue(PrintStyledContent(part))?;
            }
        }
        bytes.queue(RestorePosition)?;
        Ok(())
    }

    /// Writes all bytes at once, so that nothing else is written in between.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.terminal.write_all(bytes)?;
        self.terminal.flush()
    }
}

impl<W: Write> Drop for BottomRows<W> {
    fn drop(&mut self) {
        // It fails only if the terminal is closed, and then there is nothing to restore.
        self.close().ok();
    }
}

fn release(bytes: &mut Vec<u8>, rows: u16) -> io::Result<()> {
    if rows > 0 {
        bytes.queue(SavePosition)?.queue(SetScrollRegion::Whole)?.queue(RestorePosition)?;
        bytes.queue(Clear(ClearType::FromCursorDown))?;
    }
    Ok(())
}

/// Sets which rows of the terminal scroll. The terminal moves the cursor to its first row.
enum SetScrollRegion {
    Whole,
    Above(u16),
}

impl Command for SetScrollRegion {
    fn write_ansi(&self, f: &mut impl fmt::Write) -> fmt::Result {
        match self {
            SetScrollRegion::Whole => f.write_str("\x1b[r"),
            SetScrollRegion::Above(row) => write!(f, "\x1b[1;{row}r"),
        }
    }
}
