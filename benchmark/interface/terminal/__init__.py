"""What a person sees in a terminal: progress in place while a session works, and tables that fit its width at the end.

It is handed plain data and writes text; it measures nothing and reads no file.
"""
