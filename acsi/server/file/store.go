package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"busbar.example/acsi"
)

// Limits of a Store that is not told others.
const (
	DefaultMaxSize = 64 << 20
	maxListed      = 10_000 // names in one folder
	maxWriting     = 4      // files that are being written at once
)

// upload is what the names of files begin with that are being written. They are in the root.
const upload = ".busbar-upload-"

// Config is what a Store is made of.
type Config struct {
	Root    *os.Root // of which nothing else uses what begins with .busbar-upload-
	MaxSize int64    // of a file that is set, in octets; 0: DefaultMaxSize
}

// Store is the files of an IED. All methods may be called concurrently. Their errors are *acsi.Error, but where the caller's
// own reader or context gave one.
//
// IEC 61850-7-2, 23.
type Store struct {
	root    *os.Root
	maxSize int64
	writing chan struct{} // one for each file that is being written
	sync    func(*os.File) error
}

// New makes a Store, and removes what an interrupted write has left in it.
func New(cfg Config) (*Store, error) {
	if cfg.MaxSize == 0 {
		cfg.MaxSize = DefaultMaxSize
	}
	s := &Store{root: cfg.Root, maxSize: cfg.MaxSize, writing: make(chan struct{}, maxWriting), sync: (*os.File).Sync}
	root, err := s.root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("acsi/server/file: %w", err)
	}
	defer root.Close()
	names, err := root.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("acsi/server/file: %w", err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, upload) {
			if err := s.root.Remove(name); err != nil {
				return nil, fmt.Errorf("acsi/server/file: %w", err)
			}
		}
	}
	return s, nil
}

// List tells of the files that name stands for, sorted by their names: all in a folder, one file, or those that a pattern with * and ?
// in its last part fits.
//
// IEC 61850-7-2, 23.2.4, GetFileAttributeValues.
func (s *Store) List(name string) ([]acsi.File, error) {
	r, err := parse(name)
	if err != nil {
		return nil, err
	}
	if r.single() {
		info, err := s.root.Stat(join(r.folder, r.pattern))
		switch {
		case err != nil:
			return nil, failure(name, err)
		case info.Mode().IsRegular():
			return []acsi.File{describe(name, info)}, nil
		case !info.IsDir():
			return nil, notAFile(name)
		}
		r = request{folder: join(r.folder, r.pattern)}
	}
	names, err := s.names(name, r.folder)
	if err != nil {
		return nil, err
	}
	files := []acsi.File{}
	for _, n := range names {
		full := join(r.folder, n)
		if check(full) != nil || !r.fits(n) {
			continue
		}
		info, err := s.root.Stat(full)
		if err != nil || !info.Mode().IsRegular() && !info.IsDir() {
			continue // it has just gone, leads out of here, or is no file
		}
		files = append(files, describe(full, info))
	}
	return files, nil
}

// names are those of what is in a folder, sorted.
func (s *Store) names(asked, folder string) ([]string, error) {
	if info, err := s.root.Stat(folder); err != nil {
		return nil, failure(asked, err)
	} else if !info.IsDir() {
		return nil, notAFile(asked)
	}
	f, err := s.root.OpenFile(folder, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it might be a pipe by now
	if err != nil {
		return nil, failure(asked, err)
	}
	defer f.Close()
	names, err := f.Readdirnames(maxListed + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, failure(asked, err)
	}
	if len(names) > maxListed {
		return nil, acsi.Errorf(acsi.HardwareFault, "%q holds more than %d files", asked, maxListed)
	}
	slices.Sort(names)
	return names, nil
}

func describe(name string, info fs.FileInfo) acsi.File {
	f := acsi.File{Name: name, Modified: info.ModTime().UTC()}
	if info.IsDir() {
		f.Name += "/"
		return f
	}
	f.Size = uint32(min(info.Size(), 1<<32-1))
	return f
}

// Open begins to read a file at an offset, which may be its end.
//
// IEC 61850-7-2, 23.2.1, GetFile.
func (s *Store) Open(name string, offset uint32) (io.ReadCloser, acsi.File, error) {
	if err := checkFile(name); err != nil {
		return nil, acsi.File{}, err
	}
	if info, err := s.root.Stat(name); err != nil {
		return nil, acsi.File{}, failure(name, err)
	} else if !info.Mode().IsRegular() {
		return nil, acsi.File{}, notAFile(name) // before it is opened: to open a device may do something
	}
	f, err := s.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it might be a pipe by now
	if err != nil {
		return nil, acsi.File{}, failure(name, err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = failure(name, err)
	case !info.Mode().IsRegular():
		err = notAFile(name)
	case int64(offset) > info.Size():
		err = acsi.Errorf(acsi.ObjectValueInvalid, "%q has %d octets: it cannot be read from %d on", name, info.Size(), offset)
	default:
		if _, seek := f.Seek(int64(offset), io.SeekStart); seek != nil {
			err = failure(name, seek)
		}
	}
	if err != nil {
		f.Close()
		return nil, acsi.File{}, err
	}
	return f, describe(name, info), nil
}

// Set makes content the file called name, in a folder that is there. Until all of it is on the disk, what was there before
// is. An error of content, and that of ctx, is given as it is.
//
// IEC 61850-7-2, 23.2.2, SetFile.
func (s *Store) Set(ctx context.Context, name string, content io.Reader) (err error) {
	if err := checkFile(name); err != nil {
		return err
	}
	if err := s.settable(name); err != nil {
		return err
	}
	select {
	case s.writing <- struct{}{}:
		defer func() { <-s.writing }()
	default:
		return acsi.Errorf(acsi.TemporarilyUnavailable, "%d files are being written already", maxWriting)
	}
	temporary := upload + rand.Text()
	f, err := s.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return failure(name, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			s.root.Remove(temporary)
		}
	}()
	if err := s.fill(ctx, f, name, content); err != nil {
		return err
	}
	if err := errors.Join(s.sync(f), f.Close()); err != nil {
		return failure(name, err)
	}
	if err := s.root.Rename(temporary, name); err != nil {
		return failure(name, err)
	}
	return s.syncFolder(name)
}

// settable says why there can be no file called name, before anything is written.
func (s *Store) settable(name string) error {
	info, err := s.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		r, _ := parse(name)
		folder, err := s.root.Stat(r.folder)
		if err != nil {
			return failure(name, err)
		}
		if !folder.IsDir() {
			return notAFile(name)
		}
		return nil
	}
	if err != nil {
		return failure(name, err)
	}
	if !info.Mode().IsRegular() {
		return notAFile(name)
	}
	return nil
}

// fill writes content to f. It tells what content did wrong from what the disk did.
func (s *Store) fill(ctx context.Context, f io.Writer, name string, content io.Reader) error {
	buffer := make([]byte, 64<<10)
	for size := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := content.Read(buffer)
		if size += int64(n); size > s.maxSize {
			return acsi.Errorf(acsi.HardwareFault, "%q is too long: a file may have %d octets", name, s.maxSize)
		}
		if _, err := f.Write(buffer[:n]); err != nil {
			return failure(name, err)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// syncFolder makes the name as lasting as the content. On Windows, where no folder can be synchronised, it does nothing.
func (s *Store) syncFolder(name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	r, _ := parse(name)
	folder, err := s.root.Open(r.folder)
	if err != nil {
		return failure(name, err)
	}
	defer folder.Close()
	if err := s.sync(folder); err != nil {
		return failure(name, err)
	}
	return nil
}

// Delete removes a file.
//
// IEC 61850-7-2, 23.2.3, DeleteFile.
func (s *Store) Delete(name string) error {
	if err := checkFile(name); err != nil {
		return err
	}
	info, err := s.root.Lstat(name)
	if err != nil {
		return failure(name, err)
	}
	if !info.Mode().IsRegular() {
		return notAFile(name)
	}
	if err := s.root.Remove(name); err != nil {
		return failure(name, err)
	}
	return s.syncFolder(name)
}

// checkFile is check of the name of one file.
func checkFile(name string) error {
	if strings.HasSuffix(name, "/") || strings.ContainsAny(name, "*?") {
		return acsi.Errorf(acsi.InvalidAddress, "%q is no name of a file", name)
	}
	return check(name)
}

func notAFile(name string) error {
	return acsi.Errorf(acsi.ObjectAccessDenied, "%q is no file", name)
}

// failure is what the operating system says of a file, as a service error. What it says that is not of its own is that of
// os.Root: a link leads out.
func failure(name string, err error) error {
	errno, said := errors.AsType[syscall.Errno](err)
	switch {
	case !said, errno == syscall.ELOOP, errors.Is(err, fs.ErrPermission):
		return acsi.Errorf(acsi.ObjectAccessDenied, "%q cannot be reached", name)
	case errors.Is(err, fs.ErrNotExist), errno == syscall.ENOTDIR:
		return acsi.Errorf(acsi.ObjectNonExistent, "there is no file %q", name)
	}
	return acsi.Errorf(acsi.HardwareFault, "%q: %v", name, errno)
}
