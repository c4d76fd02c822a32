"""Pictures of maps and deformation fields, charts, annotated videos, and parts of HTML pages."""
