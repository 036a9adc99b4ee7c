package site

import (
	"fmt"
	"os"
)

// openFiles opens the folder of an IED's files, with the folder in it where disturbance records are looked for. It is nil for "".
//
// IEC 61850-8-1, 23.1, COMTRADE.
func openFiles(dir string) (*os.Root, error) {
	if dir == "" {
		return nil, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, Hint(fmt.Errorf("--files: %w", err), "make the folder first, and give its path")
	}
	if err := root.Mkdir("COMTRADE", 0o755); err != nil && !os.IsExist(err) {
		root.Close()
		return nil, Hint(fmt.Errorf("--files: %w", err), "the folder must be one that this user may write in")
	}
	return root, nil
}
