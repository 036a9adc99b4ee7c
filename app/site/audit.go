package site

import (
	"os"

	"busbar.example/secure/auditlog"
)

// Audit opens audit/COMMAND.jsonl, to which the security events of a command are added. failed is called
// with each failure to record one.
func (s *Site) Audit(command string, failed func(error)) (*auditlog.JSONLines, error) {
	if err := os.MkdirAll(s.Path("audit"), 0o700); err != nil {
		return nil, err
	}
	return auditlog.OpenJSONLines(s.Path("audit", command+".jsonl"), failed)
}
