"""What only the real services show; ``deploy/services/env`` says where they are."""
