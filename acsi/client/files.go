package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"busbar.example/acsi"
)

// Progress hears how many octets of a file have been transferred, and of how many in all; total is 0 where that is not known.
type Progress func(done, total int64)

// Files lists the files that name stands for: all in a folder, which is "" or ends with /; one file; or those that a pattern fits.
func (c *Client) Files(ctx context.Context, name string) ([]acsi.File, error) {
	return c.services.GetFiles(ctx, name)
}

// GetFile copies a file of the IED to w, from an offset on, and tells of the file. progress may be nil.
//
// IEC 61850-7-2, 23.2.1.
func (c *Client) GetFile(ctx context.Context, name string, offset uint32, w io.Writer, progress Progress) (acsi.File, error) {
	r, file, err := c.services.OpenFile(ctx, name, offset)
	if err != nil {
		return acsi.File{}, err
	}
	copied, err := io.Copy(w, &counted{reader: r, done: int64(offset), total: int64(file.Size), told: progress})
	if closing := r.Close(); err == nil {
		err = closing
	}
	if got := int64(offset) + copied; err == nil && got != int64(file.Size) {
		err = fmt.Errorf("%s: %d octets have come of %d: %w", name, got, file.Size, io.ErrUnexpectedEOF)
	}
	return file, err
}

// PutFile copies r to a file of the IED, which is there whole or not at all. total is how many octets r has, or 0 where that is
// not known; progress may be nil.
//
// IEC 61850-7-2, 23.2.2, SetFile.
func (c *Client) PutFile(ctx context.Context, name string, r io.Reader, total int64, progress Progress) error {
	if name == "" {
		return errors.New("the file has no name on the IED")
	}
	return c.services.SetFile(ctx, name, &counted{reader: r, total: total, told: progress})
}

// DeleteFile removes a file of the IED.
//
// IEC 61850-7-2, 23.2.3.
func (c *Client) DeleteFile(ctx context.Context, name string) error {
	return c.services.DeleteFile(ctx, name)
}

// counted tells how much has been read.
type counted struct {
	reader      io.Reader
	done, total int64
	told        Progress
}

func (r *counted) Read(p []byte) (int, error) {
	n, err := r.reader.Read(p)
	r.done += int64(n)
	if r.told != nil && n > 0 {
		r.told(r.done, r.total)
	}
	return n, err
}

// Len is how many octets are to come, which the IED is told before it fetches them; 0 where that is not known.
func (r *counted) Len() int { return int(min(max(r.total-r.done, 0), math.MaxInt32)) }
