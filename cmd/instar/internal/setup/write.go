package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrDiffers: there is a file of that name with another text.
var ErrDiffers = errors.New("there is such a file, and it differs")

// Compare reports whether the file is there already, word for word. Another text
// is [ErrDiffers].
func (f File) Compare() (same bool, err error) {
	there, err := os.ReadFile(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("setup: %w", err)
	case string(there) != f.Text:
		return false, fmt.Errorf("setup: %s: %w", f.Path, ErrDiffers)
	}
	return true, nil
}

// Write makes or replaces the file, and its folder. A concurrent reader sees the old
// text or the new one, and so does a machine that loses its power. Everyone may read
// both, whatever the umask: the bus does so under an account of its own.
func (f File) Write() error {
	if err := f.write(); err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	return nil
}

func (f File) write() (err error) {
	folder := filepath.Dir(f.Path)
	if err := makeFolder(folder); err != nil {
		return err
	}
	fresh, err := os.CreateTemp(folder, "."+filepath.Base(f.Path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(fresh.Name())
		}
	}()
	_, err = fresh.WriteString(f.Text)
	if err == nil {
		err = fresh.Chmod(0o644)
	}
	if err == nil {
		err = fresh.Sync()
	}
	if err = errors.Join(err, fresh.Close()); err != nil {
		return err
	}
	if err := os.Rename(fresh.Name(), f.Path); err != nil {
		return err
	}
	return syncFolder(folder)
}

// makeFolder is [os.MkdirAll] for a folder that everyone may read.
func makeFolder(folder string) error {
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		return err // or a file in place of the folder, which the first write there finds
	}
	above := filepath.Dir(folder)
	if err := makeFolder(above); err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		return err
	}
	return syncFolder(above)
}

// syncFolder has the names in a folder reach the disk.
func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
