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

// Write makes or replaces the file, and its folder: whoever reads it meanwhile sees
// the old text or the new one.
func (f File) Write() error {
	if err := f.write(); err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	return nil
}

func (f File) write() (err error) {
	folder := filepath.Dir(f.Path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
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
	if err = errors.Join(err, fresh.Close()); err != nil {
		return err
	}
	return os.Rename(fresh.Name(), f.Path)
}
