package site

import (
	"fmt"
	"os"

	"busbar.example/secure/auditlog"
)

// Audit opens audit/COMMAND.jsonl, to which the security events of a command are added. failed is called
// with each failure to record one.
func (s *Site) Audit(command string, failed func(error)) (*auditlog.JSONLines, error) {
	err := os.MkdirAll(s.Path("audit"), 0o700)
	var log *auditlog.JSONLines
	if err == nil {
		log, err = auditlog.OpenJSONLines(s.Path("audit", command+".jsonl"), failed)
	}
	if err != nil {
		return nil, Hint(fmt.Errorf("security events cannot be recorded: %w", err), "this user must be able to write to "+s.Path("audit"))
	}
	return log, nil
}
