// Package mmsmap maps the services of IEC 61850-7-2 to MMS services and back, once for both mappings:
// Client is acsi.Services over an association, Serve answers an association from acsi.Services. Each
// service has one file that holds both ends.
package mmsmap
