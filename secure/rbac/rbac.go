// Package rbac decides who may do what: subjects, the roles they hold, the
// rights those roles carry, and the one function that decides.
package rbac

import (
	"fmt"
	"strings"
	"time"
)

// A Role is a role number of IEC 62351-8. 0 to 32767 belong to the IEC,
// negative numbers are private.
type Role int16

// The roles that IEC 62351-8 predefines.
const (
	Viewer Role = iota
	Operator
	Engineer
	Installer
	SECADM
	SECAUD
	RBACMNT
)

var roleNames = [...]string{"VIEWER", "OPERATOR", "ENGINEER", "INSTALLER", "SECADM", "SECAUD", "RBACMNT"}

// String returns the role's name, or its number where it has no name.
func (r Role) String() string {
	if r >= 0 && int(r) < len(roleNames) {
		return roleNames[r]
	}
	return fmt.Sprintf("role(%d)", int16(r))
}

// ParseRole returns the role of that name, in any case of letters.
func ParseRole(name string) (Role, error) {
	for i, n := range roleNames {
		if strings.EqualFold(n, name) {
			return Role(i), nil
		}
	}
	return 0, fmt.Errorf("there is no role %q: use one of %s", name, strings.Join(roleNames[:], ", "))
}

// A Right is a set of rights.
type Right uint16

// The rights that a role may carry.
const (
	View          Right = 1 << iota // see that a logical device and what is in it exists
	Read                            // read values and logs
	Dataset                         // make and delete data sets
	Reporting                       // use report and log control blocks
	FileRead                        // read files
	FileWrite                       // write files
	FileMngt                        // delete and rename files
	Control                         // operate, and read what FC CO holds
	Config                          // write settings, configuration and descriptions
	SettingGroup                    // edit and activate setting groups
	Security                        // administer security, roles apart
	SecurityRoles                   // administer roles
)

var rightNames = [...]string{
	"VIEW", "READ", "DATASET", "REPORTING", "FILEREAD", "FILEWRITE", "FILEMNGT",
	"CONTROL", "CONFIG", "SETTINGGROUP", "SECURITY", "SECURITY(roles)",
}

// String returns the names of the rights in the set, joined by "|".
func (r Right) String() string {
	if r == 0 {
		return "none"
	}
	var names []string
	for i, n := range rightNames {
		if r&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	if rest := r &^ (1<<len(rightNames) - 1); rest != 0 {
		names = append(names, fmt.Sprintf("right(%#x)", uint16(rest)))
	}
	return strings.Join(names, "|")
}

// A Grant is one role that a subject holds, and its limits.
type Grant struct {
	Role Role
	// AOR, the area of responsibility, is a comma-separated list of patterns
	// over logical device names, in which * stands for any octets and ? for any
	// one. The grant holds where one of them matches the whole name. "" and "*"
	// cover every logical device and the server itself.
	AOR string
	// Revision and Definition name the role-to-right matrix that the grant was
	// given under.
	Revision   int
	Definition string
	// NotBefore and NotAfter bound the grant's validity, both inclusive; the
	// zero time is no bound.
	NotBefore, NotAfter time.Time
}

// A Subject is a peer. The zero Subject is nobody.
type Subject struct {
	Name    string  // the bare JID that the peer's certificate or the configuration names
	Address string  // the full JID or network address that it speaks from
	Grants  []Grant // the roles that it holds
	// Unauthenticated says that end-to-end security is off: that the peer is Name is the word of the
	// servers between, and Grants is what the configuration gives whoever they call so.
	Unauthenticated bool
}
